//! `sliding-window`: a window that slides, from the counts of two that do not.
//!
//! Definition, in milliseconds of unix time, with windows as in `fixed-window` and f the part of the
//! window that is over:
//!
//! ```text
//! estimate = previous * (1 - f) + used
//! allowed: estimate + cost <= count, and then used += cost
//! remaining = floor(count - estimate)
//! retry     = the least wait after which it fits: in this window while `previous` fades, or in the
//!             next, where `used` is what fades;  never if cost > count
//! reset     = end of the next window - now    end of this one if used = 0; 0 if previous = 0 too
//! ```
//!
//! Both sides are multiplied by the period, so nothing is rounded.
//!
//! Worst case over any interval of one period: `2 * count - 1`: `count` just before an end, and greedy
//! use from there on. Over long times it lets through no more than `count` in a period.
//!
//! Pitfalls avoided: the count before is dropped after a window without any; a wait that reaches into the
//! next window is worked out there, not extended from here; refused requests are not counted. Source:
//! Cloudflare's two counters (HAProxy's `freq_ctr` are the same).

use super::window::{Window, period_ms};
use super::{Algorithm, Cell, Outcome, Spread, State};
use crate::time::{NEVER, NS_PER_MS, Now};

/// The row.
pub static SLIDING_WINDOW: Algorithm = Algorithm {
    name: "sliding-window",
    summary: "`count` in the last period, by the counts of this window and of the one before.",
    spread: Spread::SlidingWindow,
    take,
    force,
    give_back,
    lend,
    settle: |cell, _, returned| give_back(cell, returned),
    forgettable_after_ns: |cell| {
        let now = cell.now;
        Slide::read(cell.state, now, period_ms(cell.limit)).reset_after_ns(now)
    },
    forget: |_| {},
};

/// Two windows and how far the second one is.
struct Slide {
    window: Window,
    period_ms: u64,
    /// Milliseconds of the window that are to come: 1 to the period.
    left_ms: u64,
}

impl Slide {
    #[inline]
    fn read(state: &State, now: Now, period_ms: u64) -> Self {
        let window = Window::rolled(state, now.unix_ms, period_ms);
        let left_ms = (window.end - now.unix_ms).min(period_ms);
        Self { window, period_ms, left_ms }
    }

    /// The estimate, times the period.
    #[inline]
    fn estimate(&self) -> u128 {
        u128::from(self.window.previous) * u128::from(self.left_ms)
            + u128::from(self.window.used) * u128::from(self.period_ms)
    }

    #[inline]
    fn remaining(&self, count: u64) -> u64 {
        let free = (u128::from(count) * u128::from(self.period_ms)).saturating_sub(self.estimate());
        match u64::try_from(free) {
            Ok(free) => free / self.period_ms,
            // At most `count`.
            Err(_) => (free / u128::from(self.period_ms)) as u64,
        }
    }

    fn retry_after_ns(&self, count: u64, cost: u64, now: Now) -> u64 {
        let Window { end, used, previous } = self.window;
        // The most that may be left of a window in which `faded` fades, so that the cost fits.
        let left_max = |free: u64, faded: u64| {
            u128::from(free) * u128::from(self.period_ms) / u128::from(faded.max(1))
        };
        let left_ms = |free, faded| left_max(free, faded).min(u128::from(self.period_ms)) as u64;
        let at_ms = match count.checked_sub(used + cost) {
            Some(free) => end - left_ms(free, previous),
            None => end.saturating_add(self.period_ms - left_ms(count - cost, used)),
        };
        at_ms.saturating_sub(now.unix_ms).saturating_mul(NS_PER_MS)
    }

    fn reset_after_ns(&self, now: Now) -> u64 {
        let left_ms = self.window.end - now.unix_ms;
        match self.window {
            Window { used: 0, previous: 0, .. } => 0,
            Window { used: 0, .. } => left_ms.saturating_mul(NS_PER_MS),
            _ => left_ms.saturating_add(self.period_ms).saturating_mul(NS_PER_MS),
        }
    }
}

fn take(cell: Cell<'_>, cost: u64) -> Outcome {
    let (count, now) = (cell.limit.count, cell.now);
    let mut slide = Slide::read(cell.state, now, period_ms(cell.limit));
    let remaining = slide.remaining(count);
    let is_allowed = cost.max(1) <= remaining;
    if is_allowed && cost > 0 {
        slide.window.used += cost;
        slide.window.write(cell.state);
    }
    Outcome {
        is_allowed,
        remaining: if is_allowed { remaining - cost } else { remaining },
        retry_after_ns: match is_allowed {
            true => 0,
            false if cost > count => NEVER,
            false => slide.retry_after_ns(count, cost.max(1), now),
        },
        reset_after_ns: slide.reset_after_ns(now),
        delay_ns: 0,
    }
}

fn force(cell: Cell<'_>, amount: u64) {
    let mut slide = Slide::read(cell.state, cell.now, period_ms(cell.limit));
    slide.window.used += amount;
    slide.window.write(cell.state);
}

fn give_back(cell: Cell<'_>, amount: u64) {
    let mut slide = Slide::read(cell.state, cell.now, period_ms(cell.limit));
    slide.window.used = slide.window.used.saturating_sub(amount);
    slide.window.write(cell.state);
}

fn lend(cell: Cell<'_>, wanted: u64) -> u64 {
    let mut slide = Slide::read(cell.state, cell.now, period_ms(cell.limit));
    let granted = wanted.min(slide.remaining(cell.limit.count));
    if granted > 0 {
        slide.window.used += granted;
        slide.window.write(cell.state);
    }
    granted
}
