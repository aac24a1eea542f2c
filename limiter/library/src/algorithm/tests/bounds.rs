//! What gets through in any stretch of time, whoever takes, borrows and reports late.

use super::contract::{is_bucket, limits};
use super::{Key, algorithm_by_name};
use crate::algorithm::{Memory, span_ms};
use crate::model::{Calendar, CalendarUnit};
use crate::time::{NS_PER_MS, Now};
use proptest::prelude::*;
use std::collections::HashMap;

/// What happens to a key, at one instant.
#[derive(Clone, Debug)]
enum Event {
    Take(u64),
    Lend(u64),
    /// A borrower uses so much of what it has.
    Spend(u64),
    /// A borrower reports what it has used, and returns so much of what it has not.
    Settle(u64),
    GiveBackAtOnce(u64),
    /// Parts of 64 of the time of one token.
    Wait(u64),
    /// Parts of 64 of a period.
    WaitLong(u64),
}

fn events(amount_max: u64) -> impl Strategy<Value = Vec<Event>> {
    let amount = move || prop_oneof![1..4_u64, 1..=amount_max];
    let event = prop_oneof![
        4 => amount().prop_map(Event::Take),
        3 => amount().prop_map(Event::Lend),
        4 => amount().prop_map(Event::Spend),
        2 => amount().prop_map(Event::Settle),
        1 => amount().prop_map(Event::GiveBackAtOnce),
        5 => (0..100_u64).prop_map(Event::Wait),
        2 => (0..100_u64).prop_map(Event::WaitLong),
    ];
    prop::collection::vec(event, 1..120)
}

/// A key, its borrower, and what has been used when.
struct Run {
    key: Key,
    /// Lent and not used.
    held: u64,
    /// Used and not reported.
    unreported: u64,
    /// Instant and amount.
    used: Vec<(Now, u64)>,
}

impl Run {
    fn new(key: Key) -> Self {
        Self { key, held: 0, unreported: 0, used: Vec::new() }
    }

    fn note(&mut self, amount: u64) {
        self.used.push((self.key.now, amount));
    }

    fn step(&mut self, event: &Event) {
        match *event {
            Event::Take(cost) => {
                if self.key.take(cost).is_allowed {
                    self.note(cost);
                }
            }
            Event::GiveBackAtOnce(cost) => {
                if self.key.take(cost).is_allowed {
                    self.key.give_back(cost);
                }
            }
            Event::Lend(wanted) => self.held += self.key.lend(wanted),
            Event::Spend(amount) => {
                let amount = amount.min(self.held);
                self.held -= amount;
                self.unreported += amount;
                self.note(amount);
            }
            Event::Settle(amount) => {
                let returned = amount.min(self.held);
                self.key.settle(self.unreported, returned);
                self.held -= returned;
                self.unreported = 0;
            }
            Event::Wait(parts) => self.wait(self.key.limit.period_ns / self.key.limit.count, parts),
            Event::WaitLong(parts) => self.wait(self.key.limit.period_ns, parts),
        }
    }

    fn wait(&mut self, unit_ns: u64, parts: u64) {
        let ns = (u128::from(unit_ns) * u128::from(parts) / 64) as u64;
        if self.key.now.monotonic_ns + ns < 1 << 62 {
            self.key.wait(ns);
        }
    }

    /// For each use, the most that was used from it on, as amount and nanoseconds.
    fn stretches(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        (0..self.used.len()).flat_map(|first| {
            let begin_ns = self.used[first].0.monotonic_ns;
            self.used[first..].iter().scan(0_u128, move |total, (now, amount)| {
                *total += u128::from(*amount);
                Some((*total, u128::from(now.monotonic_ns - begin_ns)))
            })
        })
    }
}

fn key_of(name: &str, count: u64, period_ns: u64, burst: u64) -> Key {
    let mut key = Key::named(name, count, period_ns, burst);
    key.wait(1_000_003 * NS_PER_MS);
    key
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_bucket_lets_no_more_through_than_burst_and_rate(
        limit in limits(is_bucket),
        events in events(50),
    ) {
        let mut run = Run::new(Key::of(limit.clone(), Now::at_ms(77)));
        let (count, burst) = (u128::from(limit.count), u128::from(limit.burst));
        let token = u128::from(limit.period_ns);
        for event in &events {
            run.step(event);
            let lent = run.held + run.unreported;
            prop_assert!(run.key.take(0).remaining + lent <= limit.burst);
        }
        for (amount, ns) in run.stretches() {
            prop_assert!(amount * token <= burst * token + count * ns, "{amount} in {ns} ns");
        }
    }

    #[test]
    fn a_window_lets_no_more_through_than_its_count(
        name in prop::sample::select(vec!["fixed-window", "sliding-window", "calendar"]),
        count in 1..60_u64,
        period_ms in 1..100_000_u64,
        events in events(50),
    ) {
        let mut run = Run::new(key_of(name, count, period_ms * NS_PER_MS, count));
        if name == "calendar" {
            let zone = jiff::tz::TimeZone::UTC;
            run.key.limit.calendar = Some(Calendar { unit: CalendarUnit::Minute, zone });
        }
        let mut windows: HashMap<u64, u64> = HashMap::new();
        for event in &events {
            let limit = run.key.limit.clone();
            let start = |run: &Run| span_ms(&limit, &mut Memory::default(), run.key.now.unix_ms).start;
            let (former, held, seen) = (start(&run), run.held, run.used.len());
            run.step(event);
            let window = windows.entry(former).or_default();
            match event {
                Event::Take(_) => *window += run.used[seen..].iter().map(|used| used.1).sum::<u64>(),
                Event::Lend(_) => *window += run.held - held,
                Event::Settle(_) => *window -= held - run.held,
                _ => {}
            }
            prop_assert!(*window <= count);
            if start(&run) != former {
                // What a borrower still has is void at the end.
                (run.held, run.unreported) = (0, 0);
            }
        }
    }

    #[test]
    fn a_sliding_window_lets_less_than_twice_its_count_through_in_any_period(
        count in 1..20_u64,
        period_ms in 1..1000_u64,
        events in events(20),
    ) {
        let mut run = Run::new(key_of("sliding-window", count, period_ms * NS_PER_MS, count));
        for event in events.iter().filter(|event| !matches!(event, Event::Lend(_))) {
            run.step(event);
        }
        for (amount, ns) in run.stretches() {
            let fits = ns / u128::from(NS_PER_MS) + 1 >= u128::from(period_ms);
            prop_assert!(fits || amount < 2 * u128::from(count), "{amount} in {ns} ns");
        }
    }

    #[test]
    fn a_sliding_log_is_the_list_of_all_that_was_taken(
        count in 1..=64_u64,
        period_ns in prop_oneof![1..100_u64, 1..1_000_000_000_u64],
        events in events(20),
        forced in 0..3_u64,
    ) {
        let mut key = key_of("sliding-log", count, period_ns, count);
        let mut all: Vec<u64> = Vec::new();
        for event in &events {
            let now = key.now.monotonic_ns;
            let live: Vec<u64> = all.iter().copied().filter(|unit| now - unit < period_ns).collect();
            let free = count.saturating_sub(live.len() as u64);
            match *event {
                Event::Take(cost) => {
                    let outcome = key.take(cost);
                    prop_assert_eq!(outcome.is_allowed, cost <= free);
                    prop_assert_eq!(outcome.remaining, if cost <= free { free - cost } else { free });
                    if outcome.is_allowed {
                        all.extend((0..cost).map(|_| now));
                    }
                }
                Event::Settle(amount) if forced == 1 => {
                    key.give_back(amount);
                    all.truncate(all.len().saturating_sub((amount as usize).min(live.len())));
                }
                Event::Settle(amount) if forced == 2 => {
                    key.force(amount);
                    all.extend((0..amount).map(|_| now));
                }
                Event::Wait(parts) => key.wait((period_ns / count).max(1) * parts / 64),
                Event::WaitLong(parts) => key.wait(period_ns * parts / 64),
                _ => prop_assert_eq!(key.take(0).remaining, free),
            }
            prop_assert!(key.memory.logs.count() <= 1);
        }
    }

    /// Holders that release within a hold are never more than the permits; those that do not are
    /// forgotten after one to two.
    #[test]
    fn permits_are_never_too_many_and_never_lost_for_ever(
        count in 1..10_u64,
        steps in prop::collection::vec((0..3_u8, 1..4_u64, 0..100_u64), 1..100),
    ) {
        let hold_ns = 6400;
        let mut key = key_of("concurrency", count, hold_ns, count);
        let mut held: Vec<(u64, u64)> = Vec::new();
        for (what, cost, parts) in steps {
            match what {
                0 if key.take(cost).is_allowed => held.push((key.now.monotonic_ns, cost)),
                1 if !held.is_empty() => key.give_back(held.swap_remove(parts as usize % held.len()).1),
                2 => key.wait(parts * hold_ns / 64),
                _ => {}
            }
            // Whoever is over the hold is lost: it does not work, and does not release.
            held.retain(|(since, _)| key.now.monotonic_ns - since < hold_ns);
            let active: u64 = held.iter().map(|holder| holder.1).sum();
            prop_assert!(active + key.take(0).remaining <= count, "{active} of {count}");
        }
        key.wait(2 * hold_ns);
        prop_assert_eq!(key.take(0).remaining, count);
    }
}

#[test]
fn all_but_the_buckets_and_windows_lend_nothing() {
    for name in ["shaper", "sliding-log", "concurrency"] {
        assert_eq!(key_of(name, 5, 1000, 5).lend(3), 0, "{name}");
        assert_eq!(algorithm_by_name(name).unwrap().spread, crate::algorithm::Spread::Node);
    }
}
