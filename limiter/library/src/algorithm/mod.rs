//! The algorithms: what a limit means, one file each.
//!
//! Job: decide, lend and take back for one key. In: a [`Limit`], the key's [`State`], the time.
//! Out: an [`Outcome`]. Invariant: integers only; a refusal changes nothing; time that goes back
//! counts as no time; a state of zeroes is a key that was never seen.

mod bucket;
mod calendar;
mod concurrency;
mod fixed_window;
mod gcra;
mod leaky_bucket;
mod shaper;
mod sliding_log;
mod sliding_window;
#[cfg(test)]
mod tests;
mod token_bucket;
mod window;

pub use self::calendar::Spans;
pub use self::fixed_window::FIXED_WINDOW;
pub use self::sliding_log::{LOG_LIMIT_MAX, LOGS_MAX, Logs};
pub use self::window::span_ms;
use crate::model::Limit;
use crate::time::Now;

/// What is remembered of one key under one limit. All zeroes is a key that was never seen; every
/// algorithm divides the bits as it needs.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct State(pub [u64; 2]);

/// What a decision says.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the cost was (for a peek: is) within the limit.
    pub is_allowed: bool,
    /// How much more would be allowed now.
    pub remaining: u64,
    /// When the same cost may be allowed; 0 if it is, [`NEVER`](crate::time::NEVER) if it cannot fit.
    pub retry_after_ns: u64,
    /// When the key is as if it had never been seen, if nothing more comes.
    pub reset_after_ns: u64,
    /// How long whoever was allowed shall wait before it goes on; only a shaper says other than 0.
    pub delay_ns: u64,
}

/// How the uses of one key on several nodes and cores are added up.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Tokens that come back steadily: leased from a bucket in the store (`RL.LEASE`).
    Bucket,
    /// A count for each window: leased from a counter for each window in the store (`INCRBY`).
    Window,
    /// The same, with the count of the window before.
    SlidingWindow,
    /// Counted by one core of each node, not shared between nodes.
    Node,
}

/// The only memory of algorithms outside the [`State`]: see `sliding_log` and `calendar`.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Instants of the sliding logs.
    pub logs: Logs,
    /// Windows of the calendar that were worked out last: nothing is lost with them.
    pub spans: Spans,
}

/// One key under one limit, for one call.
#[derive(Debug)]
pub struct Cell<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// What is remembered of the key.
    pub state: &'a mut State,
    /// What does not fit into the state.
    pub memory: &'a mut Memory,
    /// The time.
    pub now: Now,
}

/// An algorithm: one row of [`ALGORITHMS`].
///
/// The amounts that the functions take are at most one more than
/// [`AMOUNT_MAX`](crate::model::AMOUNT_MAX): so much never fits.
#[derive(Debug)]
pub struct Algorithm {
    /// Its name in a configuration.
    pub name: &'static str,
    /// One sentence: what it allows.
    pub summary: &'static str,
    /// How nodes share it.
    pub spread: Spread,
    /// Takes `cost`, all or nothing. A cost of 0 is a peek: it changes nothing, and `is_allowed`
    /// says whether a cost of 1 would be.
    pub take: fn(Cell<'_>, u64) -> Outcome,
    /// Takes `amount` even where nothing is left: what has been used already (a debt).
    pub force: fn(Cell<'_>, u64),
    /// Gives back what was taken and not used, never more than that brings the key back to unused.
    pub give_back: fn(Cell<'_>, u64),
    /// Takes as much of `wanted` as there is, to lend it; says how much. For `Spread::Node`: none.
    pub lend: fn(Cell<'_>, u64) -> u64,
    /// Of what was lent, `spent` has been used and `returned` comes back unused. Together never more
    /// than was lent in the same window (a window's count forgets what came from former windows).
    pub settle: fn(Cell<'_>, u64, u64),
    /// After how many nanoseconds the state says no more than one of zeroes (0: already); at least
    /// so long it must be remembered.
    pub forgettable_after_ns: fn(Cell<'_>) -> u64,
    /// Gives up what the state has in [`Memory`]; the state is not used again.
    pub forget: fn(Cell<'_>),
}

/// All algorithms.
pub const ALGORITHMS: [&Algorithm; 9] = [
    &token_bucket::TOKEN_BUCKET,
    &leaky_bucket::LEAKY_BUCKET,
    &shaper::SHAPER,
    &gcra::GCRA,
    &fixed_window::FIXED_WINDOW,
    &sliding_window::SLIDING_WINDOW,
    &sliding_log::SLIDING_LOG,
    &concurrency::CONCURRENCY,
    &calendar::CALENDAR,
];

/// The algorithm of a name.
#[must_use]
pub fn algorithm_by_name(name: &str) -> Option<&'static Algorithm> {
    ALGORITHMS.into_iter().find(|algorithm| algorithm.name == name)
}
