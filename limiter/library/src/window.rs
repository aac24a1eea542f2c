//! The windows that limits are counted in.
//!
//! Job: say which window an instant is in. In: a limit, a time. Out: its start and end. Invariant: two
//! processes with the same time find the same window.

use crate::algorithm::{Memory, Spread};
use crate::model::Limit;
use crate::time::NS_PER_MS;

/// A stretch of time, by the calendar's clock.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Its first millisecond.
    pub start_ms: u64,
    /// The first that is not in it.
    pub end_ms: u64,
}

impl Window {
    /// A window that never ends: for what has none.
    pub const ALWAYS: Self = Self { start_ms: 0, end_ms: u64::MAX };
}

/// The window of a limit that holds an instant.
#[must_use]
pub fn window_at(limit: &Limit, memory: &mut Memory, unix_ms: u64) -> Window {
    match limit.algorithm.spread {
        Spread::Bucket | Spread::Node => Window::ALWAYS,
        Spread::Window | Spread::SlidingWindow => match &limit.calendar {
            Some(calendar) => {
                let span = memory.spans.of(calendar, unix_ms);
                Window { start_ms: span.start, end_ms: span.end }
            }
            None => {
                let period_ms = limit.period_ns.div_ceil(NS_PER_MS).max(1);
                let start_ms = unix_ms - unix_ms % period_ms;
                Window { start_ms, end_ms: start_ms + period_ms }
            }
        },
    }
}
