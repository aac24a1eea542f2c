//! `leaky-bucket`: the leaky bucket as a meter: what comes in is refused when it would spill.
//!
//! Definition, with `r = count / period`, over the time `dt` since the last call:
//!
//! ```text
//! level = max(0, level - r * dt);  allowed: level + cost <= burst, and then level += cost
//! remaining = floor(burst - level)
//! retry     = ceil((level + cost - burst) / r)    never if cost > burst
//! reset     = ceil(level / r)                     the bucket is empty
//! ```
//!
//! Worst case over any interval of one period: `burst + count`. It is the token bucket upside down and
//! answers the same; nothing waits in it (that is the `shaper`).
//!
//! Pitfalls avoided: a leak that is added up in floats, or only once it is a whole token, drifts or
//! starves at high call rates; here it is exact (see `bucket`). Source: Turner's leaky bucket as a meter
//! (ITU-T I.371 calls it the continuous-state leaky bucket).

use super::{Algorithm, Spread, bucket};

/// The row.
pub static LEAKY_BUCKET: Algorithm = Algorithm {
    name: "leaky-bucket",
    summary: "A bucket of `burst` that leaks `count` in a period; what would spill is refused.",
    spread: Spread::Bucket,
    take: bucket::take,
    force: bucket::force,
    give_back: bucket::give_back,
    lend: bucket::lend,
    settle: bucket::settle,
    forgettable_after_ns: bucket::forgettable_after_ns,
    forget: bucket::forget,
};
