//! `gcra`: the generic cell rate algorithm, as redis-cell's `CL.THROTTLE` has it.
//!
//! Definition, with `T = period / count` (exact, not cut to nanoseconds), `burst = max_burst + 1` cells,
//! of which the first is one, and `DVT = T * burst`:
//!
//! ```text
//! next = max(now, TAT) + cost * T;  allowed: now >= next - DVT, and then TAT = next
//! remaining = floor((DVT - (TAT - now)) / T)
//! retry     = ceil(next - DVT - now)          never if cost * T > DVT
//! reset     = ceil(TAT - now)
//! ```
//!
//! Worst case over any interval of one period: `burst + count`, as of the token bucket it is the same as.
//!
//! Pitfalls avoided: T cut to nanoseconds makes the rate too high (7 per second would be 7.00000001);
//! a TAT that is forgotten too early, by a lifetime rounded down, forgives debt: here times are rounded
//! up; rates above one per microsecond are exact. Source: ATM Forum's virtual scheduling; redis-cell for
//! the names.

use super::{Algorithm, Spread, bucket};

/// The row.
pub static GCRA: Algorithm = Algorithm {
    name: "gcra",
    summary: "One cell each `period / count`; up to `burst` cells, the first among them, may come early.",
    spread: Spread::Bucket,
    take: bucket::take,
    force: bucket::force,
    give_back: bucket::give_back,
    lend: bucket::lend,
    settle: bucket::settle,
    forgettable_after_ns: bucket::forgettable_after_ns,
    forget: bucket::forget,
};
