//! Job: test the arithmetic of RL.LEASE: single steps, and holders that do what holders may do.
//! In: nothing. Out: test results; a failure of the random runs names the seed.
//! Invariant: the bucket is read from the fields that were stored, as it is in the command.

use std::collections::BTreeMap;

use ringlet_base::random::Random;

use super::lease::{Answer, Bucket, Limit, NUMBER_MAX, Request};

/// What a key holds, and when it expires.
#[derive(Default)]
struct Key {
    fields: BTreeMap<Vec<u8>, Vec<u8>>,
    expiry_ms: u64,
}

impl Key {
    fn bucket(&self, now_ms: u64) -> Bucket<'_> {
        if self.fields.is_empty() {
            return Bucket::new(now_ms);
        }
        let fields = self.fields.iter().map(|(field, value)| (&field[..], &value[..]));
        Bucket::read(fields).expect("what was stored can be read")
    }

    fn lease(&mut self, limit: &Limit, holder: &str, request: Request, now_ms: u64) -> Answer {
        if now_ms >= self.expiry_ms {
            self.fields.clear();
        }
        let holder = holder.as_bytes();
        let (answer, change) = self.bucket(now_ms).lease(limit, holder, &request, now_ms);
        if let Some(change) = change {
            let set = change.fields(holder).map(|(field, value)| (field, value.into_bytes()));
            self.fields.extend(set);
            for field in &change.expired {
                self.fields.remove(field);
            }
            self.expiry_ms = change.expiry_ms;
        }
        answer
    }

    /// What holders may still spend.
    fn outstanding(&self, now_ms: u64) -> u64 {
        let records = self.fields.iter().filter(|(field, _)| field.starts_with(b"h:"));
        let numbers = |text: &[u8]| -> Vec<u64> {
            let text = String::from_utf8_lossy(text);
            text.split(' ').map(|word| word.parse().expect("a number")).collect()
        };
        let alive = records.map(|(_, text)| numbers(text)).filter(|record| record[2] > now_ms);
        alive.map(|record| record[0]).sum()
    }
}

fn request(sequence: u64, held: u64, returned: u64, want: u64) -> Request {
    Request { sequence, held, returned, want, ttl_ms: 5_000 }
}

/// Ten at once, one in a second.
const LIMIT: Limit = Limit { burst: 10, count: 1, period_ms: 1_000 };

/// The time, the holder, its request; then granted, remaining, retry_ms and holders.
type Row = (u64, &'static str, (u64, u64, u64, u64), (u64, u64, u64, u64));

fn check(rows: &[Row]) {
    let mut key = Key::default();
    for &(now_ms, holder, (sequence, held, returned, want), expected) in rows {
        let answer = key.lease(&LIMIT, holder, request(sequence, held, returned, want), now_ms);
        let Answer { granted, remaining, retry_ms, holders, .. } = answer;
        let found = (granted, remaining, retry_ms, holders);
        assert_eq!(found, expected, "{holder} {sequence} at {now_ms}: {answer:?}");
    }
}

#[test]
fn a_part_is_granted_when_there_is_not_all() {
    check(&[
        (1_000, "a", (1, 0, 0, 6), (6, 4, 0, 1)),
        (1_000, "b", (1, 0, 0, 6), (4, 0, 1_000, 2)),
        (1_000, "c", (1, 0, 0, 6), (0, 0, 1_000, 3)),
    ]);
}

#[test]
fn what_is_outstanding_does_not_drain_and_what_is_spent_does() {
    check(&[
        (1_000, "a", (1, 0, 0, 10), (10, 0, 1_000, 1)),
        // It may have spent all of them just now.
        (5_000, "a", (2, 0, 0, 10), (0, 0, 1_000, 1)),
        (5_999, "a", (3, 0, 0, 10), (0, 0, 1, 1)),
        (6_000, "a", (4, 0, 0, 10), (1, 0, 1_000, 1)),
        (8_500, "a", (5, 1, 0, 1), (1, 1, 0, 1)),
    ]);
}

#[test]
fn what_is_returned_is_free_at_once_but_not_more_than_was_outstanding() {
    check(&[
        (1_000, "a", (1, 0, 0, 8), (8, 2, 0, 1)),
        (1_000, "a", (2, 3, 5, 0), (0, 7, 0, 1)),
        (1_000, "a", (3, 2, 9, 0), (0, 8, 0, 1)),
        (1_000, "a", (4, 9, 9, 0), (0, 8, 0, 1)),
        (1_000, "b", (1, 9, 9, 0), (0, 8, 0, 2)),
    ]);
}

#[test]
fn a_request_that_comes_twice_or_late_changes_nothing() {
    check(&[
        (1_000, "a", (5, 0, 0, 4), (4, 6, 0, 1)),
        (1_000, "a", (5, 0, 0, 4), (0, 6, 0, 1)),
        (1_000, "a", (4, 0, 4, 4), (0, 6, 0, 1)),
        (1_000, "a", (6, 0, 4, 0), (0, 10, 0, 1)),
        // Nothing is left, but its number is known until the record expires.
        (1_000, "a", (6, 0, 0, 4), (0, 10, 0, 1)),
        (1_000, "a", (7, 4, 0, 0), (0, 10, 0, 1)),
    ]);
}

#[test]
fn what_a_dead_holder_had_counts_as_spent_when_it_expires() {
    check(&[
        (1_000, "a", (1, 0, 0, 10), (10, 0, 1_000, 1)),
        (5_999, "b", (1, 0, 0, 1), (0, 0, 1_000, 2)),
        (6_000, "b", (2, 0, 0, 1), (0, 0, 1_000, 1)),
        (7_000, "b", (3, 0, 0, 1), (1, 0, 1_000, 1)),
        // Its return comes too late to give anything.
        (7_000, "a", (2, 0, 9, 0), (0, 0, 1_000, 2)),
        // From the time when the last expired on, all drains: 9.5 of 10 from 11 s on.
        (21_500, "c", (1, 0, 0, 0), (0, 10, 0, 1)),
    ]);
}

#[test]
fn a_clock_that_steps_back_counts_as_no_time() {
    let mut key = Key::default();
    let before = key.lease(&LIMIT, "a", request(1, 0, 0, 10), 50_000);
    let after = key.lease(&LIMIT, "b", request(1, 0, 0, 10), 10_000);
    assert_eq!((before.now_ms, after.now_ms, after.granted), (50_000, 50_000, 0));
    assert_eq!(after.epoch_ms, 50_000);
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let limits = [
        Limit { burst: NUMBER_MAX, count: NUMBER_MAX, period_ms: 1 },
        Limit { burst: 1, count: 1, period_ms: NUMBER_MAX },
        Limit { burst: 1, count: NUMBER_MAX, period_ms: NUMBER_MAX },
        LIMIT,
    ];
    let most = NUMBER_MAX.to_string();
    let record = format!("{most} {} {most}", NUMBER_MAX - 1);
    let full =
        [("debt", &*most), ("at", "0"), ("epoch", &*most), ("h:a", &*record), ("h:b", &*record)];
    for limit in &limits {
        for now_ms in [0, 1, NUMBER_MAX] {
            for request in [request(NUMBER_MAX, 0, NUMBER_MAX, NUMBER_MAX), request(1, 0, 0, 0)] {
                let fields = full.iter().map(|(field, value)| (field.as_bytes(), value.as_bytes()));
                let bucket = Bucket::read(fields).expect("numbers");
                for holder in ["a", "c"] {
                    let (answer, change) = bucket.lease(limit, holder.as_bytes(), &request, now_ms);
                    assert!(answer.granted + answer.remaining <= limit.burst, "{answer:?}");
                    assert!(change.is_none_or(|change| change.expiry_ms <= NUMBER_MAX));
                }
            }
        }
    }
}

/// A holder as the limiter is one: it does not know whether its messages arrive.
#[derive(Default)]
struct Holder {
    tokens: u64,
    expires_ms: u64,
    sequence: u64,
}

/// A request on its way, and when it was sent.
type Message = (usize, Request, u64);

struct Run {
    random: Random,
    limit: Limit,
    ttl_ms: u64,
    key: Key,
    holders: Vec<Holder>,
    messages: Vec<Message>,
    /// How far the store's clock is behind: it may step back.
    behind_ms: u64,
    now_ms: u64,
    spent: Vec<(u64, u64)>,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut random = Random::new(seed);
        let mut pick = |most: u64| 1 + random.below(most);
        let limit = Limit { burst: pick(30), count: pick(20), period_ms: pick(300) };
        let (ttl_ms, holders) = (pick(400), pick(5));
        let holders = (0..holders).map(|_| Holder::default()).collect();
        let (key, messages, spent) = (Key::default(), Vec::new(), Vec::new());
        Run { random, limit, ttl_ms, key, holders, messages, behind_ms: 0, now_ms: 100_000, spent }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    fn step(&mut self) {
        if self.below(3) == 0 {
            let longest_ms = if self.below(20) == 0 { 3_000 } else { 30 };
            self.now_ms += self.below(longest_ms);
        }
        for holder in &mut self.holders {
            if self.now_ms >= holder.expires_ms {
                holder.tokens = 0;
            }
        }
        match self.below(100) {
            0..40 => self.spend(),
            40..65 => self.send(),
            65..95 => self.deliver(),
            95 => self.behind_ms += self.random.below(100),
            _ => {
                // One dies, and is there again at once.
                let one = self.below(self.holders.len() as u64) as usize;
                self.holders[one].tokens = 0;
            }
        }
    }

    fn spend(&mut self) {
        let one = self.below(self.holders.len() as u64) as usize;
        let tokens = self.holders[one].tokens;
        let amount = if self.below(2) == 0 { tokens } else { self.below(tokens + 1) };
        self.holders[one].tokens -= amount;
        self.spent.push((self.now_ms, amount));
    }

    fn send(&mut self) {
        let one = self.below(self.holders.len() as u64) as usize;
        let returned =
            if self.below(2) == 0 { 0 } else { self.below(self.holders[one].tokens + 1) };
        let want = self.below(self.limit.burst + 2);
        let holder = &mut self.holders[one];
        holder.tokens -= returned;
        holder.sequence += 1;
        let (sequence, held, ttl_ms) = (holder.sequence, holder.tokens, self.ttl_ms);
        let request = Request { sequence, held, returned, want, ttl_ms };
        self.messages.push((one, request, self.now_ms));
    }

    /// Some message arrives, perhaps once more later; its answer perhaps not.
    fn deliver(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let at = self.below(self.messages.len() as u64) as usize;
        let (one, request, sent_ms) = self.messages[at];
        if self.below(5) > 0 {
            self.messages.swap_remove(at);
        }
        let store_ms = self.now_ms - self.behind_ms.min(self.now_ms);
        let answer = self.key.lease(&self.limit, ["a", "b", "c", "d", "e"][one], request, store_ms);
        assert!(
            answer.remaining + self.key.outstanding(answer.now_ms) <= self.limit.burst,
            "{answer:?}"
        );
        assert!(answer.granted <= request.want);
        assert_eq!(answer.retry_ms == 0, answer.remaining > 0);
        let expiry_ms = self.key.expiry_ms;
        let (rest, _) = self.key.bucket(store_ms).lease(&self.limit, b"new", &request, expiry_ms);
        assert_eq!(rest.granted + rest.remaining, self.limit.burst, "it expired too early");
        let holder = &mut self.holders[one];
        // The answer to a request that is not the last one is of no use: what it granted counts as
        // spent when the next request is there.
        if holder.sequence == request.sequence && self.random.below(5) > 0 {
            holder.tokens += answer.granted;
            holder.expires_ms = holder.expires_ms.max(sent_ms + self.ttl_ms);
        }
    }

    /// Every window between two times at which something was spent.
    fn check_windows(&self) {
        for first in 0..self.spent.len() {
            let mut sum = 0;
            for &(at_ms, amount) in &self.spent[first..] {
                sum += amount;
                let time_ms = at_ms - self.spent[first].0;
                let most = self.limit.burst * self.limit.period_ms + self.limit.count * time_ms;
                assert!(sum * self.limit.period_ms <= most, "{sum} spent in {time_ms} ms");
            }
        }
    }
}

#[test]
fn no_window_sees_more_than_the_limit_whatever_holders_and_networks_do() {
    let first = Random::from_system().expect("the system's random numbers").next_u64();
    let mut total = 0;
    for seed in (0..300).map(|run| first.wrapping_add(run)) {
        println!("seed {seed}");
        let mut run = Run::new(seed);
        for _ in 0..600 {
            run.step();
        }
        run.check_windows();
        total += run.spent.iter().map(|(_, amount)| amount).sum::<u64>();
    }
    assert!(total > 10_000, "only {total} were spent");
}

#[test]
fn a_holder_that_takes_small_parts_gets_all_that_the_rate_gives() {
    let limit = Limit { burst: 100, count: 100, period_ms: 1_000 };
    let (mut key, mut held, mut spent) = (Key::default(), 0, 0);
    for round in 1..=1_000 {
        let now_ms = 1_000 + round * 10;
        let answer = key.lease(&limit, "a", request(round, held, 0, 5 - held), now_ms);
        spent += held + answer.granted;
        held = 0;
    }
    // Ten seconds.
    assert!((1_095..=1_100).contains(&spent), "{spent}");
}
