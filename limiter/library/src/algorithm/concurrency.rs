//! `concurrency`: so many at a time; who is done gives its permit back.
//!
//! Definition: `count` permits. Time is cut into holds, number n being `[n * period, (n + 1) * period)` of
//! the monotonic clock. A permit is counted in the hold in which it is taken and in the next one:
//!
//! ```text
//! allowed: previous + used + cost <= count, and then used += cost
//! a new hold: previous = used, used = 0
//! give back (release): from `previous` first, then from `used`
//! remaining = count - previous - used
//! retry     = end of the hold or of the next, whichever frees enough if nobody releases; never if cost > count
//! reset     = when the last permit is free if nobody releases
//! ```
//!
//! So a permit whose holder died without a word is free after one to two holds; a holder must be done
//! within one hold. Worst case: `count` at a time; over a period as many as come and go.
//!
//! Pitfalls avoided: a plain counter keeps lost permits for ever. A release does not say which permit it
//! is; taking it from the older ones never counts too few while holders keep to the hold. Its price: as
//! long as others release, they do so in the place of a lost permit, which is freed only when fewer come.
//! Not shared between nodes. Source: semaphores with a lease, with two generations in place of a list.

use super::window::Window;
use super::{Algorithm, Cell, Outcome, Spread, State};
use crate::time::{NEVER, Now};

/// The row.
pub static CONCURRENCY: Algorithm = Algorithm {
    name: "concurrency",
    summary: "`count` at a time; a permit that is not released is free after one to two periods.",
    spread: Spread::Node,
    take,
    force,
    give_back,
    lend: |_, _| 0,
    settle: |_, _, _| {},
    forgettable_after_ns: |cell| {
        let hold_ns = cell.limit.period_ns.max(1);
        reset_after_ns(&read(cell.state, cell.now, hold_ns), cell.now, hold_ns)
    },
    forget: |_| {},
};

fn read(state: &State, now: Now, hold_ns: u64) -> Window {
    Window::rolled(state, now.monotonic_ns, hold_ns)
}

fn take(cell: Cell<'_>, cost: u64) -> Outcome {
    let (count, now, hold_ns) = (cell.limit.count, cell.now, cell.limit.period_ns.max(1));
    let mut window = read(cell.state, now, hold_ns);
    let asked = window.used + cost.max(1);
    let is_allowed = window.previous + asked <= count;
    if is_allowed && cost > 0 {
        window.used = asked;
        window.write(cell.state);
    }
    let left_ns = window.end - now.monotonic_ns;
    Outcome {
        is_allowed,
        remaining: count.saturating_sub(window.previous + window.used),
        retry_after_ns: match is_allowed {
            true => 0,
            false if cost > count => NEVER,
            false if asked <= count => left_ns,
            // All that was taken in this hold is over at the end of the next one.
            false => left_ns.saturating_add(hold_ns),
        },
        reset_after_ns: reset_after_ns(&window, now, hold_ns),
        delay_ns: 0,
    }
}

fn force(cell: Cell<'_>, amount: u64) {
    let mut window = read(cell.state, cell.now, cell.limit.period_ns.max(1));
    window.used += amount;
    window.write(cell.state);
}

fn give_back(cell: Cell<'_>, amount: u64) {
    let mut window = read(cell.state, cell.now, cell.limit.period_ns.max(1));
    let older = amount.min(window.previous);
    window.previous -= older;
    window.used = window.used.saturating_sub(amount - older);
    window.write(cell.state);
}

fn reset_after_ns(window: &Window, now: Now, hold_ns: u64) -> u64 {
    let left_ns = window.end - now.monotonic_ns;
    match window {
        Window { used: 0, previous: 0, .. } => 0,
        Window { used: 0, .. } => left_ns,
        _ => left_ns.saturating_add(hold_ns),
    }
}
