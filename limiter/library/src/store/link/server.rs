//! One server of the store, and the connection to it.
//!
//! Job: match answers with what was asked, in order. In: bytes of one connection. Out: bytes for it;
//! each answer with what it answers. Invariant: every command that is written leaves exactly one entry
//! in the queue, also one that nobody waits for any more, so that a late answer is taken for no other's.

use std::collections::VecDeque;

use ringlet_protocol::Value;

use super::breaker::Breaker;
use super::clock::ServerClock;
use super::flight::Part;
use super::greeting::{Facts, Step};
use super::words::{Word, command};

/// An answer that takes more makes no sense; the largest is a table of slots in disorder.
const INPUT_BYTES_MAX: usize = 4 << 20;
/// Room that an empty buffer keeps.
const INPUT_BYTES_KEPT: usize = 64 << 10;

/// What an answer is to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Nothing depends on it.
    Nothing,
    Greeting(Step),
    Time,
    Slots,
    Script,
    Members,
    /// A part of the call with this number.
    Call(u64, Part),
}

/// How far a connection has come.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none.
    Idle,
    Connecting,
    /// So many answers to the greeting are to come.
    Greeting(usize),
    Ready,
}

/// A server.
pub(super) struct Server {
    pub(super) address: String,
    /// Not wanted now: no slots, or a door that nobody needs.
    pub(super) is_retired: bool,
    /// The number of the connection; meaningless while idle.
    pub(super) connection: u32,
    pub(super) phase: Phase,
    pub(super) breaker: Breaker,
    pub(super) clock: ServerClock,
    pub(super) facts: Facts,
    pub(super) time_asked_ns: Option<u64>,
    /// The script has been sent and its answer has not come.
    pub(super) is_script_sent: bool,
    /// The identity at the last greeting.
    pub(super) identity: Option<String>,
    /// What was told about it since it was last found well, so as to tell it once.
    pub(super) told: Vec<String>,
    expected: VecDeque<(u64, Question)>,
    input: Vec<u8>,
    /// Bytes of the input that are behind us.
    taken: usize,
    output: Vec<u8>,
}

impl Server {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            is_retired: false,
            connection: 0,
            phase: Phase::Idle,
            breaker: Breaker::new(),
            clock: ServerClock::default(),
            facts: Facts::default(),
            time_asked_ns: None,
            is_script_sent: false,
            identity: None,
            told: Vec::new(),
            expected: VecDeque::new(),
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
        }
    }

    /// Whether calls may go there.
    pub(super) fn is_up(&self) -> bool {
        self.phase == Phase::Ready && self.breaker.is_closed()
    }

    /// Whether these are its bytes.
    pub(super) fn has(&self, connection: u32) -> bool {
        self.phase != Phase::Idle && self.connection == connection
    }

    /// Begins anew with this connection.
    pub(super) fn begin(&mut self, connection: u32) {
        self.connection = connection;
        self.phase = Phase::Connecting;
        self.facts = Facts::default();
        self.clock.forget();
        self.time_asked_ns = None;
        self.is_script_sent = false;
    }

    /// Ends the connection; what was still expected.
    pub(super) fn end(&mut self) -> VecDeque<(u64, Question)> {
        self.phase = Phase::Idle;
        self.input = Vec::new();
        self.taken = 0;
        self.output = Vec::new();
        std::mem::take(&mut self.expected)
    }

    /// Writes a command.
    pub(super) fn ask(&mut self, question: Question, words: &[Word<'_>], now_ns: u64) {
        command(&mut self.output, words);
        self.expect(question, now_ns);
    }

    /// Where to write commands, each followed by one [`Server::expect`].
    pub(super) fn output(&mut self) -> (&Facts, &mut Vec<u8>) {
        (&self.facts, &mut self.output)
    }

    /// Notes that a command was written.
    pub(super) fn expect(&mut self, question: Question, now_ns: u64) {
        self.expected.push_back((now_ns, question));
    }

    /// When the oldest command was written that has no answer yet.
    pub(super) fn waits_since_ns(&self) -> Option<u64> {
        self.expected.front().map(|(sent_ns, _)| *sent_ns)
    }

    /// What is to be sent.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes bytes.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next whole answer, with when it was asked and what it answers.
    ///
    /// # Errors
    /// Why the connection is of no use any more.
    pub(super) fn next_answer(&mut self) -> Result<Option<(u64, Question, Value)>, &'static str> {
        let rest = self.input.get(self.taken..).unwrap_or_default();
        if let Some((answer, length)) =
            Value::parse(rest).map_err(|_| "it sends what is no reply")?
        {
            self.taken += length;
            let (sent_ns, question) =
                self.expected.pop_front().ok_or("it sends a reply that nobody asked for")?;
            return Ok(Some((sent_ns, question, answer)));
        }
        self.input.drain(..self.taken);
        self.taken = 0;
        if self.input.len() > INPUT_BYTES_MAX {
            return Err("its reply is too large");
        }
        if self.input.is_empty() {
            self.input.shrink_to(INPUT_BYTES_KEPT);
        }
        Ok(None)
    }
}
