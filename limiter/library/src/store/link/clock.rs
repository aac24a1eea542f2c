//! What the store's clock shows.
//!
//! Job: bound the store's time from outside. In: answers to `TIME`, and when they were asked and came.
//! Out: an interval for one server; one offset and its error for all of them.
//! Invariant: if both clocks drift by less than `DRIFT_PPM`, the true time lies within the interval; the
//! published error covers the published offset, also while that is being led to where it belongs.

use crate::time::NS_PER_MS;

/// Both clocks together; quartz does 20 to 50, and a clock that is being slewed 500 for minutes only.
const DRIFT_PPM: u64 = 100;
/// The error that stands for "not known": far more than any, far from overflowing any sum.
const UNKNOWN_ERROR_MS: u64 = 1 << 53;
/// Of cutting both summands of a time to whole milliseconds.
const ROUNDING_MS: u64 = 2;

/// Bounds of the store's clock less the monotonic one, in nanoseconds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    low_ns: i64,
    high_ns: i64,
}

impl Interval {
    /// After `elapsed_ns` more without news.
    fn widened(self, elapsed_ns: u64) -> Self {
        let drift_ns = (elapsed_ns / 1_000_000).saturating_mul(DRIFT_PPM).min(i64::MAX as u64);
        Self {
            low_ns: self.low_ns.saturating_sub_unsigned(drift_ns),
            high_ns: self.high_ns.saturating_add_unsigned(drift_ns),
        }
    }

    /// What contains both.
    fn hull(self, other: Self) -> Self {
        Self { low_ns: self.low_ns.min(other.low_ns), high_ns: self.high_ns.max(other.high_ns) }
    }

    fn width_ns(self) -> u64 {
        self.high_ns.abs_diff(self.low_ns)
    }

    fn middle_ns(self) -> i64 {
        self.low_ns.saturating_add_unsigned(self.width_ns() / 2)
    }

    /// The least and the greatest that the store's clock may show, in unix milliseconds.
    pub(super) fn unix_ms(self, now_ns: u64) -> (u64, u64) {
        let at = |offset_ns: i64| now_ns.saturating_add_signed(offset_ns) / NS_PER_MS;
        (at(self.low_ns), at(self.high_ns))
    }
}

/// The clock of one server: the best answer so far, as good as it still is.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    best: Option<(Interval, u64)>,
}

impl ServerClock {
    /// Takes an answer. It was made after `sent_ns` and before `received_ns`; that is all that is known.
    pub(super) fn learn(&mut self, store_us: u64, sent_ns: u64, received_ns: u64) {
        let Some(store_ns) = store_us.checked_mul(1000).and_then(|ns| i64::try_from(ns).ok())
        else {
            return;
        };
        let offset_at = |ns: u64| store_ns.saturating_sub_unsigned(ns);
        let fresh = Interval {
            low_ns: offset_at(received_ns),
            high_ns: offset_at(sent_ns).saturating_add(1000),
        };
        let keeps_former = self.interval(received_ns).is_some_and(|former| {
            // Two that exclude each other: the store's clock was set.
            let agree = former.low_ns <= fresh.high_ns && fresh.low_ns <= former.high_ns;
            agree && former.width_ns() < fresh.width_ns()
        });
        if !keeps_former {
            self.best = Some((fresh, received_ns));
        }
    }

    /// The bounds now; `None` before the first answer.
    pub(super) fn interval(&self, now_ns: u64) -> Option<Interval> {
        let (interval, taken_ns) = self.best?;
        Some(interval.widened(now_ns.saturating_sub(taken_ns)))
    }

    /// Forgets, because the next answers come from elsewhere.
    pub(super) fn forget(&mut self) {
        self.best = None;
    }
}

/// The one clock that is shown for all servers of a store.
///
/// A cluster's servers have a clock each. What is shown covers all of them: the middle of the hull, with
/// an error that reaches to its ends, so that whoever stays clear of a window's end by the error is right
/// for whichever server holds the key.
#[derive(Debug, Default)]
pub(super) struct StoreClock {
    known: Option<(Interval, u64)>,
    offset_ms: i64,
    error_ms: Option<u64>,
    updated_ns: u64,
}

impl StoreClock {
    /// Takes the bounds of the servers that can be asked now; if there is none, what was known ages.
    pub(super) fn update(&mut self, servers: impl Iterator<Item = Interval>, now_ns: u64) {
        let is_first = self.known.is_none();
        if let Some(hull) = servers.reduce(Interval::hull) {
            self.known = Some((hull, now_ns));
        }
        let Some((interval, taken_ns)) = self.known else { return };
        let interval = interval.widened(now_ns.saturating_sub(taken_ns));
        let target_ms = interval.middle_ns().div_euclid(NS_PER_MS as i64);
        // Forwards at once. Backwards by no more than half of the time that has passed, so that the time
        // it makes runs slowly instead of back.
        let elapsed_ms = now_ns / NS_PER_MS - self.updated_ns.min(now_ns) / NS_PER_MS;
        if is_first || target_ms >= self.offset_ms {
            self.offset_ms = target_ms;
        } else {
            let slowest_ms = self.offset_ms.saturating_sub_unsigned(elapsed_ms / 2);
            self.offset_ms = target_ms.max(slowest_ms);
        }
        // An odd millisecond is kept for the next time.
        if is_first || elapsed_ms >= 2 {
            self.updated_ns = now_ns;
        }
        let lead_ms = self.offset_ms.abs_diff(target_ms);
        let error_ms = (interval.width_ns() / 2).div_ceil(NS_PER_MS);
        self.error_ms = Some(error_ms.saturating_add(lead_ms).saturating_add(ROUNDING_MS));
    }

    /// For `StoreView`.
    pub(super) fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    /// For `StoreView`.
    pub(super) fn error_ms(&self) -> u64 {
        self.error_ms.unwrap_or(UNKNOWN_ERROR_MS).min(UNKNOWN_ERROR_MS)
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
