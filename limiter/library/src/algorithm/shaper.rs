//! `shaper`: the leaky bucket as a queue: who comes early is told how long to wait.
//!
//! Definition, with `T = period / count` and `level` as in `leaky-bucket`, in requests, before the cost:
//!
//! ```text
//! allowed: level + cost <= burst;  delay = ceil(level * T), and then level += cost
//! ```
//!
//! So with cost 1 the one that finds nothing before it goes on at once, `burst - 1` may wait, and the
//! next is refused; those that wait go on exactly T apart. A cost of n holds the line for n * T. What is
//! given back was the line's end; those that were told their delay already keep it.
//!
//! Worst case over any interval of one period: `burst + count` requests are let in, and `count + 1` go on,
//! as long as everybody waits as told and nothing is given back.
//!
//! Pitfalls avoided: a clock of milliseconds lets all requests of one millisecond look alike, which
//! blurs rates above 1000/s; here it is exact. Not shared between nodes: a line that stands in two
//! places keeps no distance. Source: nginx `limit_req` (`excess`, `burst`; its `nodelay` is `leaky-bucket`).

use super::{Algorithm, Cell, Outcome, Spread, bucket};

/// The row.
pub static SHAPER: Algorithm = Algorithm {
    name: "shaper",
    summary: "Lets one through each `period / count`; `burst - 1` may wait and are told how long.",
    spread: Spread::Node,
    take,
    force: bucket::force,
    give_back: bucket::give_back,
    lend: |_, _| 0,
    settle: |_, _, _| {},
    forgettable_after_ns: bucket::forgettable_after_ns,
    forget: bucket::forget,
};

fn take(cell: Cell<'_>, cost: u64) -> Outcome {
    let line_ns = bucket::drained_after_ns(&cell);
    let outcome = bucket::take(cell, cost);
    Outcome { delay_ns: if outcome.is_allowed { line_ns } else { 0 }, ..outcome }
}
