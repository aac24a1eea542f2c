//! Job: decide about a request by the generic cell rate algorithm (GCRA), as CL.THROTTLE does.
//! In: a rate with its burst, the theoretical arrival time (TAT) that the key holds, a quantity,
//! the time. Out: the five numbers of the reply, and the TAT to store.
//! Invariant: integers only, exact: what a request costs is `period / count` as a fraction, so no
//! rate drifts; no number overflows, because what cannot be counted is refused first.

use ringlet_base::number::parse_i64;

use crate::command::spec::CommandError;

const NANOSECONDS: i128 = 1_000_000_000;
const NANOSECONDS_IN_MILLISECOND: i128 = 1_000_000;

/// How much is allowed. Times inside are in parts: one part is `1 / count` nanoseconds, the
/// largest unit in which a request's cost and a time in nanoseconds are both whole.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    limit: i64,
    count: i64,
    /// What one request costs, in parts.
    interval: i128,
    /// What the limit costs, in parts.
    tolerance: i128,
}

/// A point in time that need not be a whole nanosecond: `ns + parts / of`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    ns: i64,
    parts: i64,
    of: i64,
}

/// The answer to a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The request is refused.
    pub is_limited: bool,
    /// The most that may be asked for at once.
    pub limit: i64,
    /// What could be asked for now.
    pub remaining: i64,
    /// When the same request would be let through; -1 if it was, or if it never will be.
    pub retry_after_s: i64,
    /// When all of the limit is there again.
    pub reset_after_s: i64,
    /// What the key has to hold from now on; `None`: it stays as it is.
    pub stored: Option<Arrival>,
}

impl Rate {
    /// `count` requests in `period_s` seconds, and `max_burst` more at once; all not negative.
    /// Errors: zero, or more than can be counted.
    pub fn new(max_burst: i64, count: i64, period_s: i64) -> Result<Rate, CommandError> {
        if count == 0 || period_s == 0 {
            return Err(CommandError::new("ERR Cell error: Zero rates are not supported"));
        }
        let limit = max_burst.checked_add(1).ok_or(OUT_OF_RANGE)?;
        let interval = i128::from(period_s) * NANOSECONDS;
        let tolerance = interval.checked_mul(i128::from(limit)).ok_or(OUT_OF_RANGE)?;
        Ok(Rate { limit, count, interval, tolerance })
    }

    /// Decides about a request for `quantity`, which is not negative, at `now_ns`.
    /// Errors: the burst ends after the last nanosecond that 64 bits can count.
    pub fn decide(
        &self,
        stored: Option<Arrival>,
        quantity: i64,
        now_ns: i64,
    ) -> Result<Decision, CommandError> {
        let count = i128::from(self.count);
        let now = i128::from(now_ns) * count;
        // All sums below stay within twice this, which is less than 2^127.
        if self.tolerance > i128::from(i64::MAX) * count - now.max(0) {
            return Err(OUT_OF_RANGE);
        }
        let old = stored.map_or(now, |stored| stored.in_parts(self.count).max(now));
        let can_ever_fit = quantity <= self.limit;
        let new = if can_ever_fit { old + self.interval * i128::from(quantity) } else { old };
        let missing = new - self.tolerance - now;
        let is_limited = !can_ever_fit || missing > 0;
        let debt = if is_limited { old - now } else { new - now };
        Ok(Decision {
            is_limited,
            limit: self.limit,
            // At most the limit, because there is no negative debt.
            remaining: ((self.tolerance - debt).max(0) / self.interval) as i64,
            retry_after_s: if is_limited && can_ever_fit { self.seconds(missing) } else { -1 },
            reset_after_s: self.seconds(debt),
            stored: (!is_limited && quantity > 0).then(|| Arrival::of_parts(new, self.count)),
        })
    }

    /// Whole milliseconds, rounded up to seconds: so redis-cell does it.
    fn seconds(&self, parts: i128) -> i64 {
        let time_ms = parts / (i128::from(self.count) * NANOSECONDS_IN_MILLISECOND);
        ((time_ms + 999) / 1000) as i64
    }
}

const OUT_OF_RANGE: CommandError =
    CommandError::new("ERR Cell error: max_burst times period by count is out of range");

impl Arrival {
    /// Reads what a key holds: nanoseconds since 1970, and `+parts/of` when they are not whole.
    pub fn parse(text: &[u8]) -> Option<Arrival> {
        let Some(plus) = text.iter().position(|&byte| byte == b'+') else {
            return Some(Arrival { ns: parse_i64(text)?, parts: 0, of: 1 });
        };
        let fraction = &text[plus + 1..];
        let slash = fraction.iter().position(|&byte| byte == b'/')?;
        let (ns, parts) = (parse_i64(&text[..plus])?, parse_i64(&fraction[..slash])?);
        let of = parse_i64(&fraction[slash + 1..])?;
        (0 < parts && parts < of).then_some(Arrival { ns, parts, of })
    }

    /// As a key holds it.
    pub fn to_text(self) -> String {
        match self.parts {
            0 => self.ns.to_string(),
            parts => format!("{}+{parts}/{}", self.ns, self.of),
        }
    }

    /// The first millisecond at which it is over. Rounded up: a key that expires earlier forgets a
    /// part of the debt, and at 1000 requests in a second and more all of it.
    pub fn expiry_ms(self) -> i64 {
        let ns = i128::from(self.ns) + i128::from(self.parts > 0);
        (ns + NANOSECONDS_IN_MILLISECOND - 1).div_euclid(NANOSECONDS_IN_MILLISECOND) as i64
    }

    /// In parts of `1 / count` nanoseconds, rounded up when it was stored under another count.
    fn in_parts(self, count: i64) -> i128 {
        let (parts, of) = (i128::from(self.parts), i128::from(self.of));
        let count = i128::from(count);
        i128::from(self.ns) * count + (parts * count + of - 1) / of
    }

    /// The caller has checked that the nanoseconds fit.
    fn of_parts(parts: i128, count: i64) -> Arrival {
        let divisor = i128::from(count);
        let (ns, rest) = (parts.div_euclid(divisor) as i64, parts.rem_euclid(divisor) as i64);
        Arrival { ns, parts: rest, of: if rest == 0 { 1 } else { count } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringlet_base::random::Random;

    const START_NS: i64 = 1_700_000_000_000_000_000;
    const MAX: i64 = i64::MAX;

    fn rate(max_burst: i64, count: i64, period_s: i64) -> Rate {
        Rate::new(max_burst, count, period_s).expect("a rate that can be counted")
    }

    /// Asks, and stores what is to be stored, by way of its text.
    fn ask(key: &mut Option<Arrival>, rate: Rate, quantity: i64, now_ns: i64) -> Decision {
        let decision = rate.decide(*key, quantity, now_ns).expect("in range");
        assert_eq!(decision.limit, rate.limit);
        assert!((0..=rate.limit).contains(&decision.remaining), "{decision:?}");
        assert!(decision.stored.is_none() || !decision.is_limited && quantity > 0);
        if let Some(stored) = decision.stored {
            assert_eq!(Arrival::parse(stored.to_text().as_bytes()), Some(stored));
            *key = Some(stored);
        }
        decision
    }

    /// (microseconds since the start, quantity, then the reply but for the limit).
    type Row = (i64, i64, (bool, i64, i64, i64));

    fn check(rate: Rate, rows: &[Row]) {
        let mut key = None;
        for &(now_us, quantity, expected) in rows {
            let decision = ask(&mut key, rate, quantity, START_NS + now_us * 1000);
            let Decision { is_limited, remaining, retry_after_s, reset_after_s, .. } = decision;
            let found = (is_limited, remaining, retry_after_s, reset_after_s);
            assert_eq!(found, expected, "{rate:?} at {now_us} us, quantity {quantity}");
        }
    }

    #[test]
    fn requests_are_counted_as_by_redis_cell() {
        const OK: i64 = -1;
        check(
            rate(4, 1, 1),
            &[
                (0, 6, (true, 5, -1, 0)),
                (0, 0, (false, 5, OK, 0)),
                (0, 1, (false, 4, OK, 1)),
                (0, 3, (false, 1, OK, 4)),
                (0, 2, (true, 1, 1, 4)),
                (0, 1, (false, 0, OK, 5)),
                (0, 1, (true, 0, 1, 5)),
                (0, 0, (false, 0, OK, 5)),
                (999_000, 1, (true, 0, 1, 5)),
                // Less than a millisecond is nothing to wait for.
                (999_999, 1, (true, 0, 0, 4)),
                (1_000_000, 1, (false, 0, OK, 5)),
                (4_000_000, 1, (false, 2, OK, 3)),
                (4_100_000, 1, (false, 1, OK, 4)),
                (9_000_000, 1, (false, 4, OK, 1)),
                (10_500_000, 0, (false, 5, OK, 0)),
                (10_500_000, 2, (false, 3, OK, 2)),
                (10_500_000, 5, (true, 3, 2, 2)),
                // A clock that steps back counts as no time.
                (0, 1, (true, 0, 9, 13)),
            ],
        );
    }

    #[test]
    fn seconds_are_rounded_up_from_whole_milliseconds() {
        for (debt_us, expected_s) in
            [(999, 0), (1_000, 1), (1_000_000, 1), (1_000_999, 1), (1_001_000, 2), (10_000_000, 10)]
        {
            // A request costs a microsecond.
            let mut key = None;
            let rate = rate(20_000_000, 1_000_000, 1);
            let decision = ask(&mut key, rate, debt_us, START_NS);
            assert_eq!(decision.reset_after_s, expected_s, "{debt_us} us");
        }
    }

    #[test]
    fn extremes_are_counted_exactly_or_refused() {
        let mut key = None;
        let year_s = 31_536_000;
        // One request a year; 200 years of burst.
        let slow = rate(199, 1, year_s);
        let decision = ask(&mut key, slow, 200, START_NS);
        assert_eq!((decision.remaining, decision.reset_after_s), (0, 200 * year_s));
        assert_eq!(ask(&mut key, slow, 1, START_NS).retry_after_s, year_s);

        // The largest burst; all of it costs a second.
        let mut key = None;
        let large = rate(MAX - 1, MAX, 1);
        assert_eq!(ask(&mut key, large, MAX, START_NS).remaining, 0);
        assert_eq!(ask(&mut key, large, MAX, START_NS).retry_after_s, 1);
        assert_eq!(ask(&mut key, large, MAX, START_NS + 500_000_000).remaining, MAX / 2);

        // A key that holds the largest numbers, and times before 1970.
        let full = Arrival { ns: MAX, parts: MAX - 2, of: MAX - 1 };
        for now_ns in [i64::MIN, -1, 0, START_NS] {
            for quantity in [0, 1, MAX] {
                for count in [1, 3, MAX] {
                    let rate = rate(1, count, 1);
                    for stored in [full, Arrival { ns: i64::MIN, parts: 0, of: 1 }] {
                        rate.decide(Some(stored), quantity, now_ns).expect("in range");
                    }
                }
            }
        }
        // Up to the last nanosecond, and no further.
        let last = rate(0, 1, (MAX - START_NS) / 1_000_000_000);
        assert!(last.decide(None, 1, START_NS).is_ok());
        assert!(last.decide(None, 1, START_NS + 1_000_000_000).is_err());
        assert!(Rate::new(MAX, 1, 1).is_err());
        assert!(Rate::new(MAX - 1, 1, MAX).is_err());
    }

    #[test]
    fn no_rate_drifts() {
        // Costs of a third of a nanosecond, of 1.5 and of 142857142.857... of them.
        for (count, period_s) in [(3_000_000_000, 1), (2_000_000_000, 3), (7, 1), (1_000, 7)] {
            let rate = rate(count - 1, count, period_s);
            let mut key = None;
            let step = (count / 1000).max(1);
            let asked = (0..count).step_by(step as usize);
            let total: i64 = asked
                .map(|from| step.min(count - from))
                .inspect(|&quantity| {
                    assert!(!ask(&mut key, rate, quantity, START_NS).is_limited);
                })
                .sum();
            assert_eq!(total, count);
            let expected = Arrival { ns: START_NS + period_s * 1_000_000_000, parts: 0, of: 1 };
            assert_eq!(key, Some(expected), "{count} in {period_s} s");
        }
    }

    #[test]
    fn a_key_outlives_its_debt() {
        for (ns, parts, expected_ms) in
            [(0, 0, 0), (1, 0, 1), (0, 1, 1), (1_000_000, 0, 1), (1_000_000, 1, 2), (-1, 0, 0)]
        {
            assert_eq!(Arrival { ns, parts, of: 3 }.expiry_ms(), expected_ms, "{ns} {parts}/3");
        }
        assert_eq!(Arrival { ns: MAX, parts: 1, of: 3 }.expiry_ms(), MAX / 1_000_000 + 1);
    }

    #[test]
    fn what_a_key_holds_is_read_strictly() {
        let whole = |ns| Some(Arrival { ns, parts: 0, of: 1 });
        assert_eq!(Arrival::parse(b"1700000000000000001"), whole(1_700_000_000_000_000_001));
        assert_eq!(Arrival::parse(b"-1"), whole(-1));
        assert_eq!(Arrival::parse(b"5+2/3"), Some(Arrival { ns: 5, parts: 2, of: 3 }));
        for text in ["", "x", "1.5", "5+", "5+1", "5+0/3", "5+3/3", "5+1/0", "5+-1/3", "5+1/3 "] {
            assert_eq!(Arrival::parse(text.as_bytes()), None, "{text}");
        }
        // Under another count the fraction is rounded up: never less debt than before.
        assert_eq!(Arrival { ns: 5, parts: 2, of: 3 }.in_parts(2), 12);
    }

    /// Every window lets through no more than the burst and what the rate gives in its time.
    #[test]
    fn no_window_lets_too_much_through() {
        let seed = Random::from_system().expect("the system's random numbers").next_u64();
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for _ in 0..200 {
            let (burst, count) = (random.below(20) as i64, random.below(5000) as i64 + 1);
            let rate = rate(burst, count, 1);
            let (mut key, mut now_ns) = (None, START_NS);
            let mut passed: Vec<(i128, i128)> = Vec::new();
            for _ in 0..100 {
                now_ns += random.below(2_000_000_000 / count as u64) as i64;
                let quantity = random.below(4) as i64;
                if !ask(&mut key, rate, quantity, now_ns).is_limited {
                    passed.push((now_ns.into(), quantity.into()));
                }
            }
            for first in 0..passed.len() {
                let mut sum = 0;
                for &(at_ns, quantity) in &passed[first..] {
                    sum += quantity;
                    let time_ns = at_ns - passed[first].0;
                    let most = i128::from(burst + 1) * NANOSECONDS + i128::from(count) * time_ns;
                    assert!(sum * NANOSECONDS <= most, "seed {seed}: {sum} in {time_ns} ns");
                }
            }
        }
    }
}
