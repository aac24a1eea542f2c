//! The contract of every row of the table, at random. A failure prints its case and proptest's seed.

use super::{ALGORITHMS, Algorithm, Key, Outcome};
use crate::model::{AMOUNT_MAX, Calendar, CalendarUnit, Limit, PERIOD_NS_MAX};
use crate::time::{NEVER, NS_PER_MS, Now};
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// What is done to a key.
#[derive(Clone, Debug)]
pub enum Step {
    Take(u64),
    TakeAndGiveBack(u64),
    Force(u64),
    GiveBack(u64),
    Lend(u64),
    /// Parts of 256 of what is lent: spent, and of the rest returned.
    Settle(u8, u8),
    /// Parts of 64 of a period.
    Wait(u64),
    /// Nanoseconds.
    WaitNs(u64),
    WaitForRetry(u64),
    Back(u64),
}

/// Amounts of every size, small ones and those near the limit more often.
fn amounts(limit: u64) -> impl Strategy<Value = u64> {
    let near = limit.saturating_sub(1)..=limit.saturating_add(1).min(AMOUNT_MAX);
    prop_oneof![4 => 0..5_u64, 4 => 0..=limit, 2 => near, 1 => 0..=AMOUNT_MAX]
}

fn magnitudes(max: u64) -> impl Strategy<Value = u64> {
    let bits = max.ilog2();
    prop_oneof![
        3 => (0..=bits, any::<u64>()).prop_map(move |(bits, seed)| (seed % (2 << bits)).clamp(1, max)),
        1 => Just(1),
        1 => Just(max),
        3 => 1..20_u64,
    ]
}

pub fn is_bucket(algorithm: &Algorithm) -> bool {
    ["token-bucket", "leaky-bucket", "gcra", "shaper"].contains(&algorithm.name)
}

/// Limits of the algorithms that fit.
pub fn limits(fits: fn(&Algorithm) -> bool) -> impl Strategy<Value = Limit> {
    let rows: Vec<_> = ALGORITHMS.into_iter().filter(|&row| fits(row)).collect();
    let calendar = (0..6_usize, prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Apia"]));
    let numbers = (magnitudes(AMOUNT_MAX), magnitudes(PERIOD_NS_MAX), magnitudes(AMOUNT_MAX));
    let row = prop::sample::select(rows);
    (row, numbers, calendar).prop_map(|(algorithm, (count, period_ns, burst), (unit, zone))| {
        use CalendarUnit::{Day, Hour, Minute, Month, Week, Year};
        let unit = [Minute, Hour, Day, Week, Month, Year][unit];
        let zone = TimeZone::get(zone).unwrap();
        let count = if algorithm.name == "sliding-log" { count % 64 + 1 } else { count };
        let burst = if is_bucket(algorithm) { burst } else { count };
        let calendar = (algorithm.name == "calendar").then_some(Calendar { unit, zone });
        Limit { algorithm, count, period_ns, burst, calendar }
    })
}

pub fn steps(limit: u64) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => amounts(limit).prop_map(Step::Take),
        2 => amounts(limit).prop_map(Step::TakeAndGiveBack),
        1 => amounts(limit).prop_map(Step::Force),
        2 => amounts(limit).prop_map(Step::GiveBack),
        3 => amounts(limit).prop_map(Step::Lend),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(spent, returned)| Step::Settle(spent, returned)),
        4 => (0..200_u64).prop_map(Step::Wait),
        2 => magnitudes(PERIOD_NS_MAX).prop_map(Step::WaitNs),
        2 => amounts(limit).prop_map(Step::WaitForRetry),
        1 => magnitudes(PERIOD_NS_MAX).prop_map(Step::Back),
    ]
}

/// A limit, an instant to begin with and what is done then.
pub fn cases() -> impl Strategy<Value = (Limit, Now, Vec<Step>)> {
    let begin = (0..1_u64 << 60, 0..4_102_444_800_000_u64);
    let begin = begin.prop_map(|(monotonic_ns, unix_ms)| Now { monotonic_ns, unix_ms });
    limits(|_| true).prop_flat_map(move |limit| {
        let steps = prop::collection::vec(steps(limit.burst), 1..60);
        (Just(limit), begin.clone(), steps)
    })
}

impl Key {
    /// What cannot be told from the outcome: all that is remembered.
    fn memory_text(&self) -> String {
        format!("{:?} {:?}", self.state, self.memory.logs)
    }

    /// Whether windows are cut by the clock of milliseconds.
    fn is_by_unix_ms(&self) -> bool {
        ["fixed-window", "sliding-window", "calendar"].contains(&self.limit.algorithm.name)
    }

    fn period_ns(&self) -> u64 {
        if self.limit.calendar.is_some() { 3_600 * 1_000 * NS_PER_MS } else { self.limit.period_ns }
    }

    /// The key later, if time goes so far.
    fn later(&self, ns: u64) -> Option<Self> {
        let fits = self.now.monotonic_ns.checked_add(ns)? < 1 << 63;
        fits.then(|| Self { now: self.now.after_ns(ns), ..self.clone() })
    }

    fn back(&mut self, ns: u64) {
        self.now.monotonic_ns = self.now.monotonic_ns.saturating_sub(ns);
        self.now.unix_ms = self.now.unix_ms.saturating_sub(ns / NS_PER_MS);
    }
}

/// A peek changes nothing and says what a take of one says.
fn check_peek(key: &mut Key) -> Result<(), TestCaseError> {
    let before = key.memory_text();
    let peek = key.take(0);
    prop_assert_eq!(&before, &key.memory_text());
    prop_assert_eq!(peek.is_allowed, peek.remaining > 0);
    let take = key.clone().take(1);
    let left = peek.remaining - u64::from(take.is_allowed);
    let expected = Outcome { remaining: left, reset_after_ns: take.reset_after_ns, ..peek };
    prop_assert_eq!(take, expected);
    prop_assert!(take.is_allowed || take.reset_after_ns == peek.reset_after_ns);
    Ok(())
}

/// A refusal changes nothing, and the wait that it names is the shortest.
fn check_refusal(key: &Key, before: &str, cost: u64, lent: u64) -> Result<(), TestCaseError> {
    prop_assert_eq!(before, &key.memory_text());
    let retry_ns = key.clone().take(cost).retry_after_ns;
    prop_assert!(retry_ns > 0);
    if cost > key.limit.burst {
        prop_assert_eq!(retry_ns, NEVER);
        return Ok(());
    }
    let Some(mut then) = key.later(retry_ns).filter(|_| lent == 0) else { return Ok(()) };
    prop_assert!(then.take(cost).is_allowed, "not allowed after {retry_ns} ns");
    let mut just_before = key.later(retry_ns - 1).unwrap();
    if key.is_by_unix_ms() {
        just_before.now.unix_ms = then.now.unix_ms - 1;
    }
    prop_assert!(!just_before.take(cost).is_allowed, "allowed before {retry_ns} ns");
    Ok(())
}

/// What may be forgotten says no more than what was never there, then and later.
fn check_forgettable(key: &Key, later_ns: u64) -> Result<(), TestCaseError> {
    let after_ns = key.clone().forgettable_after_ns();
    for wait_ns in [after_ns, after_ns.saturating_add(later_ns)] {
        let Some(mut old) = key.later(wait_ns) else { continue };
        let mut new = Key::of(key.limit.clone(), old.now);
        prop_assert_eq!(old.take(0), new.take(0));
        let cost = key.limit.burst / 2;
        prop_assert_eq!(old.take(cost), new.take(cost));
        prop_assert_eq!(old.take(cost), new.take(cost));
        old.wait(later_ns / 3);
        new.wait(later_ns / 3);
        prop_assert_eq!(old.take(1), new.take(1));
    }
    Ok(())
}

fn check_take_and_give_back(key: &mut Key, cost: u64) -> Result<(), TestCaseError> {
    let before = key.take(0);
    let first = key.take(cost);
    if !first.is_allowed || cost == 0 {
        return Ok(());
    }
    key.give_back(cost);
    let (after, mut again) = (key.take(0), key.clone());
    if key.limit.algorithm.name == "concurrency" {
        // A release is of an older permit, so what is left may be released later.
        prop_assert_eq!((after.is_allowed, after.remaining), (before.is_allowed, before.remaining));
        prop_assert!(again.take(cost).is_allowed);
    } else {
        prop_assert_eq!(after, before);
        prop_assert_eq!(again.take(cost), first);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_algorithm_keeps_the_contract((limit, begin, steps) in cases()) {
        let mut key = Key::of(limit, begin);
        let mut lent = 0;
        for step in steps {
            let before = key.memory_text();
            match step {
                Step::Take(cost) => {
                    if !key.take(cost).is_allowed {
                        check_refusal(&key, &before, cost, lent)?;
                    }
                }
                Step::TakeAndGiveBack(cost) => check_take_and_give_back(&mut key, cost)?,
                Step::Force(amount) => key.force(amount),
                Step::GiveBack(amount) => key.give_back(amount),
                Step::Lend(wanted) => {
                    let remaining = key.take(0).remaining;
                    let granted = key.lend(wanted);
                    prop_assert!(granted <= wanted.min(remaining));
                    lent += granted;
                }
                Step::Settle(spent, returned) => {
                    let spent = lent * u64::from(spent) / 256;
                    let returned = (lent - spent) * u64::from(returned) / 255;
                    key.settle(spent, returned);
                    lent -= spent + returned;
                }
                Step::Wait(parts) => {
                    let ns = (u128::from(key.period_ns()) * u128::from(parts) / 64) as u64;
                    key = key.later(ns).unwrap_or(key);
                }
                Step::WaitNs(ns) => key = key.later(ns).unwrap_or(key),
                Step::WaitForRetry(cost) => {
                    let retry_ns = key.clone().take(cost).retry_after_ns;
                    key = key.later(retry_ns).unwrap_or(key);
                }
                Step::Back(ns) => key.back(ns),
            }
            check_peek(&mut key)?;
            check_forgettable(&key, key.period_ns() / 3 + 1)?;
        }
    }

    #[test]
    fn no_number_of_any_size_makes_an_algorithm_panic(
        mut limit in limits(|_| true),
        numbers in (any::<u64>(), any::<u64>(), any::<u64>()),
        is_odd in any::<bool>(),
        calls in prop::collection::vec((0..7_u8, 0..=AMOUNT_MAX, any::<u64>(), any::<u64>()), 1..40),
    ) {
        if is_odd {
            (limit.count, limit.burst) = (numbers.0 % (AMOUNT_MAX + 1), numbers.1 % (AMOUNT_MAX + 1));
            limit.period_ns = numbers.2 % (PERIOD_NS_MAX + 1);
        }
        let mut key = Key::of(limit, Now::default());
        for (call, amount, monotonic_ns, unix_ms) in calls {
            key.now = Now { monotonic_ns, unix_ms };
            match call {
                0 | 1 => drop(key.take(amount)),
                2 => key.force(amount),
                3 => key.give_back(amount),
                4 => drop(key.lend(amount)),
                5 => key.settle(amount, amount),
                _ => drop(key.forgettable_after_ns()),
            }
        }
    }
}
