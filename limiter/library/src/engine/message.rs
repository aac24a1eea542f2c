//! What cores of one process tell each other about keys.
//!
//! Job: the words between the engines of a process. In and out: values that whoever drives the engines
//! carries, in order for each pair of cores, none lost. Invariant: every `Ask` is answered once.

use std::sync::Arc;

use crate::lease::{Answer, Asker};
use crate::request::{Action, LimitRef};
use crate::rules::RuleSet;
use crate::time::Now;
use crate::window::Window;

/// From one core's engine to another's.
#[derive(Debug)]
pub enum Message {
    /// To all other cores, before anything that may name a rule of them: other rules hold.
    Rules(Arc<RuleSet>),
    /// To the owner of a key: take or peek.
    Ask {
        /// Whom to answer.
        asker: Asker,
        /// Take or peek.
        action: Action,
        /// Which key.
        key: Key,
        /// Tokens.
        cost: u64,
    },
    /// To who asked.
    Answer {
        /// Who asked.
        asker: Asker,
        /// What the limit says.
        answer: Answer,
    },
    /// To the owner: undo, refund, or take what was used already. Not answered.
    Correct {
        /// `GiveBack` or `Force`.
        action: Action,
        /// Which key.
        key: Key,
        /// Tokens.
        amount: u64,
        /// When they were taken: what belongs to a window that is over is not given back to another.
        taken: Now,
    },
    /// To the borrower of a hot key's tokens, which decides by itself from now on.
    Lend {
        /// The key's hash.
        hash: u64,
        /// The limit.
        limit: LimitRef,
        /// What is lent.
        loan: Loan,
    },
    /// To the owner: what became of lent tokens.
    Settle {
        /// Who settles.
        core: usize,
        /// Which key.
        key: Key,
        /// Used.
        spent: u64,
        /// Not needed any more.
        returned: u64,
        /// Start of the window they were lent in.
        window_ms: u64,
        /// So many more are needed; 0 if none.
        wanted: u64,
    },
}

/// A key under a limit.
#[derive(Clone, Debug)]
pub struct Key {
    /// The limit.
    pub limit: LimitRef,
    /// The keyed hash.
    pub hash: u64,
    /// The text, for a key whose tokens come from the store; else empty.
    pub text: Box<[u8]>,
}

/// Tokens on loan.
#[derive(Copy, Clone, Debug)]
pub struct Loan {
    /// Tokens; none if the key is refused at present.
    pub tokens: u64,
    /// Where they may be spent, by the clock of the store if they come from there.
    pub window: Window,
    /// Whether they come from the store.
    pub is_leased: bool,
    /// When they are worth nothing any more.
    pub expires_ns: u64,
    /// Until then the owner would refuse.
    pub refused_until_ns: u64,
    /// What costs at least so much: less may be there.
    pub refused_cost: u64,
    /// What the owner had left.
    pub remaining: u64,
    /// When the key would be as if unused.
    pub reset_at_ns: u64,
}
