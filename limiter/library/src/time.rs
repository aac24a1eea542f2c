//! Time as a value.
//!
//! Job: what a decision knows of the time. In: the clocks of whoever calls. Out: [`Now`].
//! Invariant: neither field ever goes back within one process; the caller sees to that, and every
//! algorithm takes a step back as no time at all.

/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;
/// A time that never comes: what waits for it waits in vain.
pub const NEVER: u64 = u64::MAX;

/// One instant, by both clocks.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Of the monotonic clock, from any origin but always the same one. Rates count by it.
    pub monotonic_ns: u64,
    /// Of the calendar's clock, as the store has it if there is one. Windows are cut by it.
    pub unix_ms: u64,
}

impl Now {
    /// The same instant for both clocks, so many milliseconds after their origin.
    #[must_use]
    pub fn at_ms(ms: u64) -> Self {
        Self { monotonic_ns: ms * NS_PER_MS, unix_ms: ms }
    }

    /// This instant and so many nanoseconds more, by both clocks.
    #[must_use]
    pub fn after_ns(self, ns: u64) -> Self {
        let whole_ms = (self.monotonic_ns % NS_PER_MS + ns % NS_PER_MS) / NS_PER_MS;
        Self {
            monotonic_ns: self.monotonic_ns + ns,
            unix_ms: self.unix_ms + ns / NS_PER_MS + whole_ms,
        }
    }
}
