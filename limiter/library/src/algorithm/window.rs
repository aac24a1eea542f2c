//! Counts that belong to a stretch of time: `fixed-window`, `sliding-window`, `calendar`, `concurrency`.
//!
//! Job: which stretch the count belongs to, and what was in the one before. In: a [`State`], a clock.
//! Out: counts. Invariant: the state keeps the end of its window, so while that has not come no
//! division is needed, and a clock that went back is still in the same window.
//!
//! Layout: the end, then 32 bits of the count and 32 bits of the count before. Zeroes are a window that
//! is over, with nothing in it.

use std::ops::Range;

use super::{Memory, State};
use crate::model::Limit;
use crate::time::NS_PER_MS;

/// The count of one window and of the one before it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// When it is over, by the clock that it was read with.
    pub end: u64,
    /// What was taken in it.
    pub used: u64,
    /// What was taken in the window before.
    pub previous: u64,
}

impl Window {
    /// The window as it was left.
    #[inline]
    pub fn read(state: &State) -> Self {
        let [end, counts] = state.0;
        Self { end, used: counts & u64::from(u32::MAX), previous: counts >> 32 }
    }

    /// The window of an instant, if all windows have the same length and one began at 0.
    #[inline]
    pub fn rolled(state: &State, now: u64, length: u64) -> Self {
        let last = Self::read(state);
        if now < last.end && last.used + last.previous > 0 {
            return last;
        }
        let end = (now - now % length).saturating_add(length);
        let is_next = now.saturating_sub(last.end) < length;
        Self { end, used: 0, previous: if is_next { last.used } else { 0 } }
    }

    /// Keeps it. Counts above what the state can hold are as good as the highest.
    #[inline]
    pub fn write(&self, state: &mut State) {
        let highest = u64::from(u32::MAX);
        state.0 = [self.end, self.used.min(highest) | self.previous.min(highest) << 32];
    }
}

/// The length of windows of one period, in whole milliseconds; a part of one is rounded up.
#[inline]
#[must_use]
pub fn period_ms(limit: &Limit) -> u64 {
    limit.period_ns.div_ceil(NS_PER_MS).max(1)
}

/// From when to when the window of an instant goes, in unix time.
#[must_use]
pub fn span_ms(limit: &Limit, memory: &mut Memory, unix_ms: u64) -> Range<u64> {
    if let Some(calendar) = &limit.calendar {
        return memory.spans.of(calendar, unix_ms);
    }
    let length = period_ms(limit);
    let start = unix_ms - unix_ms % length;
    start..start.saturating_add(length)
}
