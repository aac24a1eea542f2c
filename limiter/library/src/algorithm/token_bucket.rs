//! `token-bucket`: tokens come back steadily, up to the burst.
//!
//! Definition, with `r = count / period`, over the time `dt` since the last call:
//!
//! ```text
//! tokens = min(burst, tokens + r * dt);  allowed: tokens >= cost, and then tokens -= cost
//! remaining = floor(tokens)
//! retry     = ceil((cost - tokens) / r)       never if cost > burst
//! reset     = ceil((burst - tokens) / r)      the bucket is full
//! ```
//!
//! Worst case over any interval of one period: `burst + count`. A limit that shall let no more than L
//! through in any period at all is `burst = b, count = L - b`.
//!
//! Pitfalls avoided: no float and no rounded refill that drifts (see `bucket`); no write on a refusal,
//! so refused requests do not put the refill off; a cost above the burst is told at once that it never fits.
//! Source: the token bucket of the network literature (RFC 2697 has its usual form).

use super::{Algorithm, Spread, bucket};

/// The row.
pub static TOKEN_BUCKET: Algorithm = Algorithm {
    name: "token-bucket",
    summary: "`count` tokens come back in a period, steadily; `burst` may be taken at once.",
    spread: Spread::Bucket,
    take: bucket::take,
    force: bucket::force,
    give_back: bucket::give_back,
    lend: bucket::lend,
    settle: bucket::settle,
    forgettable_after_ns: bucket::forgettable_after_ns,
    forget: bucket::forget,
};
