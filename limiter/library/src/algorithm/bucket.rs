//! The arithmetic of everything that refills steadily: `token-bucket`, `leaky-bucket`, `gcra`, `shaper`.
//!
//! Job: one bucket, exactly. In: a [`Limit`], a [`State`], the monotonic time. Out: an [`Outcome`].
//! Invariant: `free + lent <= burst`, so whatever is taken or spent in any (s, t] is at most
//! `burst + count * (t - s) / period`, however late the spending of lent tokens is reported.
//!
//! All three published forms are one: the tokens of a bucket, the level of a leaky bucket and the
//! theoretical arrival time (TAT) of GCRA say the same, as `level = burst - tokens = (TAT - now) / T`
//! with `T = period / count`. T is seldom a whole number of nanoseconds, and a cut-off one makes the
//! rate too high. So nothing is divided before it is kept: time is counted in parts of `1 / count`
//! nanosecond, of which a nanosecond has `count` and a token `period_ns`:
//!
//! ```text
//! due   = TAT in parts, 96 bits: 292 years of uptime and the largest bucket fit
//! level = max(due - now * count, lent * period_ns)
//! a cost fits if level + cost * period_ns <= burst * period_ns; then due grows by cost * period_ns
//! ```
//!
//! The second term of the `max` is what makes lending safe: lent tokens keep the bucket from filling up
//! behind them. A clock that went back finds the level higher, and gives nothing twice.
//!
//! Layout: 96 bits of `due`, then 32 bits of lent tokens. Divisions serve only the answer.

use super::{Cell, Outcome, State};
use crate::model::Limit;
use crate::time::{NEVER, Now};

/// The last instant that the state can say.
const DUE_MAX: u128 = (1 << 96) - 1;

/// A bucket at one instant.
struct Bucket {
    /// The instant in parts.
    now: u128,
    /// What is not free, in parts; above the size while there is a debt.
    level: u128,
    /// Tokens lent and not settled.
    lent: u64,
    /// Parts of one token.
    token: u128,
    /// Parts of all tokens.
    size: u128,
}

impl Bucket {
    #[inline]
    fn read(limit: &Limit, state: &State, now: Now) -> Self {
        let [low, high] = state.0;
        let due = u128::from(high as u32) << 64 | u128::from(low);
        let lent = high >> 32;
        let now = u128::from(now.monotonic_ns) * u128::from(limit.count);
        let token = u128::from(limit.period_ns);
        let level = due.saturating_sub(now).max(u128::from(lent) * token);
        Self { now, level, lent, token, size: u128::from(limit.burst) * token }
    }

    #[inline]
    fn write(&self, state: &mut State) {
        let due = (self.now + self.level).min(DUE_MAX);
        state.0 = [due as u64, (due >> 64) as u64 | self.lent << 32];
    }

    #[inline]
    fn free(&self, limit: &Limit) -> u64 {
        divide(self.size.saturating_sub(self.level), limit.period_ns)
    }
}

/// Takes `cost`, as [`Algorithm::take`](super::Algorithm::take) says.
#[inline]
pub fn take(cell: Cell<'_>, cost: u64) -> Outcome {
    let limit = cell.limit;
    let mut bucket = Bucket::read(limit, cell.state, cell.now);
    let after = bucket.level + u128::from(cost.max(1)) * bucket.token;
    let is_allowed = after <= bucket.size;
    if is_allowed && cost > 0 {
        bucket.level = after;
        bucket.write(cell.state);
    }
    Outcome {
        is_allowed,
        remaining: bucket.free(limit),
        retry_after_ns: if is_allowed {
            0
        } else if cost > limit.burst {
            NEVER
        } else {
            // Of lent tokens nobody knows when they come back: taken for spent now.
            divide_up(after - bucket.size, limit.count)
        },
        reset_after_ns: divide_up(bucket.level, limit.count),
        delay_ns: 0,
    }
}

/// Takes `amount`, if need be on credit.
pub fn force(cell: Cell<'_>, amount: u64) {
    let mut bucket = Bucket::read(cell.limit, cell.state, cell.now);
    bucket.level += u128::from(amount) * bucket.token;
    bucket.write(cell.state);
}

/// Gives `amount` back, at most until all that is not lent is free.
pub fn give_back(cell: Cell<'_>, amount: u64) {
    let mut bucket = Bucket::read(cell.limit, cell.state, cell.now);
    // Not below what is lent: whoever reads the state next sees to that.
    bucket.level = bucket.level.saturating_sub(u128::from(amount) * bucket.token);
    bucket.write(cell.state);
}

/// Lends as many of `wanted` as are free.
pub fn lend(cell: Cell<'_>, wanted: u64) -> u64 {
    let mut bucket = Bucket::read(cell.limit, cell.state, cell.now);
    let room = u64::from(u32::MAX) - bucket.lent;
    let granted = wanted.min(bucket.free(cell.limit)).min(room);
    if granted > 0 {
        bucket.level += u128::from(granted) * bucket.token;
        bucket.lent += granted;
        bucket.write(cell.state);
    }
    granted
}

/// Of what was lent, `spent` is gone (and refills from now on) and `returned` is free again.
pub fn settle(cell: Cell<'_>, spent: u64, returned: u64) {
    let mut bucket = Bucket::read(cell.limit, cell.state, cell.now);
    let returned = returned.min(bucket.lent);
    bucket.lent = bucket.lent.saturating_sub(spent.saturating_add(returned));
    bucket.level -= u128::from(returned) * bucket.token;
    bucket.write(cell.state);
}

/// When the bucket is full; never while something is lent, as only the state knows of it.
pub fn forgettable_after_ns(cell: Cell<'_>) -> u64 {
    let bucket = Bucket::read(cell.limit, cell.state, cell.now);
    if bucket.lent > 0 { NEVER } else { divide_up(bucket.level, cell.limit.count) }
}

/// When what has been taken so far will have flowed off.
#[inline]
pub fn drained_after_ns(cell: &Cell<'_>) -> u64 {
    divide_up(Bucket::read(cell.limit, cell.state, cell.now).level, cell.limit.count)
}

/// Nothing of a bucket is outside its state.
pub fn forget(_: Cell<'_>) {}

/// Division that is short whenever the number is; too large an answer is [`NEVER`].
#[inline]
fn divide(parts: u128, by: u64) -> u64 {
    match u64::try_from(parts) {
        Ok(parts) => parts / by.max(1),
        Err(_) => u64::try_from(parts / u128::from(by.max(1))).unwrap_or(NEVER),
    }
}

#[inline]
fn divide_up(parts: u128, by: u64) -> u64 {
    match u64::try_from(parts) {
        Ok(parts) => parts.div_ceil(by.max(1)),
        Err(_) => u64::try_from(parts.div_ceil(u128::from(by.max(1)))).unwrap_or(NEVER),
    }
}
