//! `fixed-window`: so many in each window, all windows cut alike.
//!
//! Definition: window number n is `[n * period, (n + 1) * period)` of unix time, in milliseconds.
//!
//! ```text
//! allowed: used + cost <= count, and then used += cost;  a new window has used = 0
//! remaining = count - used
//! retry     = end of the window - now         never if cost > count
//! reset     = end of the window - now         0 if used = 0
//! ```
//!
//! Worst case over any interval of one period: `2 * count`, half of it just before an end and half just
//! after. Who minds takes `sliding-window`, or a bucket.
//!
//! Pitfalls avoided: windows that begin with a key's first request differ from node to node, and a
//! counter with a lifetime starts a new one at each; here all agree by the clock of the store. Refused
//! requests are not counted. A step back of the clock does not open a window again. Source: Envoy's
//! ratelimit service. The counting serves `calendar` too, which only cuts its windows otherwise.

use super::window::{self, Window};
use super::{Algorithm, Cell, Outcome, Spread, State};
use crate::time::{NEVER, NS_PER_MS, Now};

/// The row.
pub static FIXED_WINDOW: Algorithm = Algorithm {
    name: "fixed-window",
    summary: "`count` in each window of one period, cut by unix time.",
    spread: Spread::Window,
    take,
    force,
    give_back,
    lend,
    settle,
    forgettable_after_ns,
    forget: |_| {},
};

/// The window that is not over yet, or an empty one that has no end yet.
#[inline]
fn open(state: &State, now: Now) -> Window {
    let window = Window::read(state);
    if now.unix_ms < window.end && window.used > 0 { window } else { Window::default() }
}

/// Takes `cost`, as [`Algorithm::take`] says.
#[inline]
pub fn take(cell: Cell<'_>, cost: u64) -> Outcome {
    let (limit, now) = (cell.limit, cell.now);
    let mut window = open(cell.state, now);
    let is_allowed = window.used + cost.max(1) <= limit.count;
    if is_allowed && cost > 0 {
        window.used += cost;
        window = keep(window, cell);
    }
    let left_ns = left_ns(&window, now);
    Outcome {
        is_allowed,
        remaining: limit.count.saturating_sub(window.used),
        retry_after_ns: match is_allowed {
            true => 0,
            false if cost > limit.count => NEVER,
            false => left_ns,
        },
        reset_after_ns: left_ns,
        delay_ns: 0,
    }
}

/// Counts `amount`, if need be above the limit; the window's end forgives it.
pub fn force(cell: Cell<'_>, amount: u64) {
    let mut window = open(cell.state, cell.now);
    window.used += amount;
    keep(window, cell);
}

/// Counts `amount` less.
pub fn give_back(cell: Cell<'_>, amount: u64) {
    let mut window = open(cell.state, cell.now);
    if window.used > 0 {
        window.used = window.used.saturating_sub(amount);
        keep(window, cell);
    }
}

/// Counts as much of `wanted` as there is.
pub fn lend(cell: Cell<'_>, wanted: u64) -> u64 {
    let mut window = open(cell.state, cell.now);
    let granted = wanted.min(cell.limit.count.saturating_sub(window.used));
    if granted > 0 {
        window.used += granted;
        keep(window, cell);
    }
    granted
}

/// What was lent has been counted; what comes back is counted no more.
pub fn settle(cell: Cell<'_>, _spent: u64, returned: u64) {
    give_back(cell, returned);
}

/// The end of the window.
pub fn forgettable_after_ns(cell: Cell<'_>) -> u64 {
    left_ns(&open(cell.state, cell.now), cell.now)
}

#[inline]
fn keep(mut window: Window, cell: Cell<'_>) -> Window {
    if window.end == 0 {
        window.end = window::span_ms(cell.limit, cell.memory, cell.now.unix_ms).end;
    }
    window.write(cell.state);
    window
}

#[inline]
fn left_ns(window: &Window, now: Now) -> u64 {
    if window.used == 0 { 0 } else { (window.end - now.unix_ms).saturating_mul(NS_PER_MS) }
}
