//! Job: say whether a recorded history keeps the contract of the data server.
//! In: [`Event`]s: who asked what, when it was sent, when the reply was there, what it said.
//! Out: nothing, or the [`Violation`] with the requests that cannot all be true.
//! Invariant: no I/O and no clock in here, so that histories written by hand, recorded from a
//! server, or made by a model with a planted bug are judged by the same code.
//!
//! The contract and who judges it:
//!
//! | promise | judged by |
//! |---|---|
//! | single keys are linearizable; multi-key commands and transactions are strictly serializable | [`linear`] (any command, short histories), [`append`] (list appends, long histories) |
//! | program order of a connection, also inside a pipeline, for every observer | both of them, and [`stream`] (one writer, very long histories) |
//! | WATCH loses no update | [`linear`], [`append`], [`conserve`] |
//! | blocking pops: in order, each element once | [`queue`] |

pub mod append;
pub mod conserve;
pub mod graph;
pub mod linear;
pub mod queue;
pub mod store;
pub mod stream;

use std::fmt;

use crate::client::Reply;

/// A completion time that never came: the reply is unknown.
pub const NEVER_NS: u64 = u64::MAX;

/// What a connection asks for at one point of its program order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// One command as words.
    Command(Vec<String>),
    /// The commands between MULTI and EXEC; the reply is that of EXEC.
    Transaction(Vec<Vec<String>>),
}

impl Request {
    /// A command from words.
    pub fn command(words: &[&str]) -> Self {
        Self::Command(words.iter().map(|&word| word.to_owned()).collect())
    }

    /// A transaction from commands.
    pub fn transaction(commands: &[&[&str]]) -> Self {
        let owned = |words: &&[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self::Transaction(commands.iter().map(owned).collect())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => out.write_str(&words.join(" ")),
            Self::Transaction(commands) => {
                let inner: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
                write!(out, "MULTI[{}]", inner.join("; "))
            }
        }
    }
}

/// A request with its reply. The events of one session stand in program order in a history.
#[derive(Clone, Debug)]
pub struct Event {
    /// The connection.
    pub session: usize,
    /// When the request began to be sent, in nanoseconds on the clock of the whole history.
    pub invoked_ns: u64,
    /// When the reply had been read, or [`NEVER_NS`].
    pub completed_ns: u64,
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub reply: Reply,
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        write!(
            out,
            "client {} [{:.1} to {:.1} us] {} -> {:?}",
            self.session,
            microseconds(self.invoked_ns),
            microseconds(self.completed_ns),
            self.request,
            self.reply
        )
    }
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule that is broken, in a few words.
    pub rule: &'static str,
    /// What was seen, with the requests that show it.
    pub evidence: String,
}

impl Violation {
    /// A violation of `rule` shown by `evidence`.
    pub fn new(rule: &'static str, evidence: impl Into<String>) -> Self {
        Self { rule, evidence: evidence.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:\n{}", self.rule, self.evidence)
    }
}

impl std::error::Error for Violation {}
