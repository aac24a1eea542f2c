//! Exact answers, worked out by hand.

use super::{ALGORITHMS, Key, Outcome, algorithm_by_name};
use crate::time::{NEVER, NS_PER_MS, NS_PER_S};

const YEAR_NS: u64 = 365 * 24 * 3600 * NS_PER_S;

fn allowed(remaining: u64, reset_after_ns: u64) -> Outcome {
    Outcome { is_allowed: true, remaining, retry_after_ns: 0, reset_after_ns, delay_ns: 0 }
}

fn refused(remaining: u64, retry_after_ns: u64, reset_after_ns: u64) -> Outcome {
    Outcome { is_allowed: false, remaining, retry_after_ns, reset_after_ns, delay_ns: 0 }
}

#[test]
fn every_algorithm_is_found_by_its_name_and_by_no_other() {
    for algorithm in ALGORITHMS {
        assert!(std::ptr::eq(algorithm_by_name(algorithm.name).unwrap(), algorithm));
    }
    assert!(algorithm_by_name("tokenbucket").is_none());
}

#[test]
fn buckets_allow_the_burst_and_then_one_each_interval() {
    for name in ["token-bucket", "leaky-bucket", "gcra"] {
        let mut key = Key::named(name, 10, NS_PER_S, 3);
        key.wait(12_345);
        assert_eq!(key.take(0), allowed(3, 0));
        assert_eq!(key.take(2), allowed(1, 200_000_000));
        assert_eq!(key.take(2), refused(1, 100_000_000, 200_000_000));
        assert_eq!(key.take(4), refused(1, NEVER, 200_000_000));
        assert_eq!(key.take(1), allowed(0, 300_000_000));
        assert_eq!(key.take(0), refused(0, 100_000_000, 300_000_000));
        key.wait(99_999_999);
        assert_eq!(key.take(1), refused(0, 1, 200_000_001));
        key.wait(1);
        assert_eq!(key.take(1), allowed(0, 300_000_000));
        assert_eq!(key.forgettable_after_ns(), 300_000_000);
        key.wait(300_000_000);
        assert_eq!(key.take(0), allowed(3, 0));
    }
}

#[test]
fn an_interval_that_is_no_whole_nanosecond_does_not_drift() {
    // 3 per 10 ns: 3 1/3 ns each.
    let mut key = Key::named("gcra", 3, 10, 1);
    assert_eq!(key.take(1), allowed(0, 4));
    key.wait(3);
    assert_eq!(key.take(1), refused(0, 1, 1));
    key.wait(1);
    // TAT was 3 1/3 and it is 4: a bucket of one has no place for the third that is left over.
    assert_eq!(key.take(1), allowed(0, 4));
    let mut key = Key::named("token-bucket", 7, NS_PER_S, 7);
    let taken = (0..=70_000).filter(|_| {
        let is_allowed = key.take(1).is_allowed;
        key.wait(NS_PER_MS);
        is_allowed
    });
    // 70 s, each millisecond: the burst, and 7 each second, to the last one.
    assert_eq!(taken.count(), 7 + 70 * 7);
}

#[test]
fn tiny_and_large_rates_are_exact() {
    let mut key = Key::named("token-bucket", 1, YEAR_NS, 1000);
    assert_eq!(key.take(500), allowed(500, 500 * YEAR_NS));
    // Longer than nanoseconds can say, but not forgotten.
    assert_eq!(key.take(500), allowed(0, NEVER));
    assert_eq!(key.take(1).retry_after_ns, YEAR_NS);
    key.wait(YEAR_NS - 1);
    assert_eq!(key.take(1).retry_after_ns, 1);
    key.wait(1);
    assert!(key.take(1).is_allowed);

    let mut key = Key::named("gcra", 1_000_000_000, NS_PER_S, 1_000_000_000);
    assert_eq!(key.take(1_000_000_000), allowed(0, NS_PER_S));
    assert_eq!(key.take(1), refused(0, 1, NS_PER_S));
    key.wait(1);
    assert_eq!(key.take(1), allowed(0, NS_PER_S));
    // Four tokens each nanosecond.
    let mut key = Key::named("gcra", 4, 1, 8);
    assert_eq!(key.take(8), allowed(0, 2));
    key.wait(1);
    assert_eq!(key.take(0), allowed(4, 1));
}

#[test]
fn a_debt_is_paid_before_anything_is_allowed() {
    let mut key = Key::named("token-bucket", 1, NS_PER_S, 2);
    key.force(5);
    assert_eq!(key.take(1), refused(0, 4 * NS_PER_S, 5 * NS_PER_S));
    key.give_back(4);
    assert_eq!(key.take(1), allowed(0, 2 * NS_PER_S));
    key.give_back(u64::from(u32::MAX));
    assert_eq!(key.take(0), allowed(2, 0));
}

#[test]
fn lent_tokens_keep_the_bucket_from_filling_behind_them() {
    let mut key = Key::named("gcra", 1, NS_PER_S, 10);
    assert_eq!(key.lend(8), 8);
    assert_eq!(key.lend(8), 2);
    assert_eq!(key.lend(8), 0);
    key.wait(100 * NS_PER_S);
    assert_eq!(key.take(0), refused(0, NS_PER_S, 10 * NS_PER_S));
    assert_eq!(key.forgettable_after_ns(), NEVER);
    key.settle(3, 4);
    // Seven are settled: four are free at once, three come back with time, three are lent.
    assert_eq!(key.take(0), allowed(4, 6 * NS_PER_S));
    key.wait(100 * NS_PER_S);
    assert_eq!(key.take(0), allowed(7, 3 * NS_PER_S));
    key.settle(0, 3);
    assert_eq!(key.take(0), allowed(10, 0));
    assert_eq!(key.forgettable_after_ns(), 0);
}

#[test]
fn a_shaper_says_how_long_to_wait_and_lets_burst_less_one_wait() {
    let mut key = Key::named("shaper", 10, NS_PER_S, 3);
    let delays: Vec<u64> = (0..3).map(|_| key.take(1).delay_ns).collect();
    assert_eq!(delays, [0, 100_000_000, 200_000_000]);
    assert_eq!(key.take(1), refused(0, 100_000_000, 300_000_000));
    key.wait(150_000_000);
    assert_eq!(key.take(0).delay_ns, 150_000_000);
    assert_eq!(key.take(1).delay_ns, 150_000_000);
    assert_eq!(key.take(1).retry_after_ns, 50_000_000);
}

#[test]
fn a_fixed_window_ends_at_a_multiple_of_its_period() {
    let mut key = Key::named("fixed-window", 5, NS_PER_S, 5);
    key.wait(10_300 * NS_PER_MS);
    assert_eq!(key.take(0), allowed(5, 0));
    assert_eq!(key.take(4), allowed(1, 700 * NS_PER_MS));
    assert_eq!(key.take(2), refused(1, 700 * NS_PER_MS, 700 * NS_PER_MS));
    assert_eq!(key.take(6), refused(1, NEVER, 700 * NS_PER_MS));
    key.wait(699 * NS_PER_MS);
    assert_eq!(key.take(2), refused(1, NS_PER_MS, NS_PER_MS));
    key.wait(NS_PER_MS);
    assert_eq!(key.take(5), allowed(0, NS_PER_S));
    // A clock that goes back does not bring the former window back.
    key.now.unix_ms -= 500;
    assert_eq!(key.take(1), refused(0, 1500 * NS_PER_MS, 1500 * NS_PER_MS));
    key.force(3);
    key.give_back(4);
    assert_eq!(key.take(1).remaining, 0);
    assert_eq!(key.lend(3), 0);
    key.settle(0, 2);
    assert_eq!(key.lend(3), 2);
}

#[test]
fn a_sliding_window_fades_the_count_before() {
    let mut key = Key::named("sliding-window", 10, NS_PER_S, 10);
    key.wait(5_900 * NS_PER_MS);
    assert_eq!(key.take(10), allowed(0, 1_100 * NS_PER_MS));
    // The next window begins with all of it, and a tenth is gone after 100 ms.
    assert_eq!(key.take(1), refused(0, 200 * NS_PER_MS, 1_100 * NS_PER_MS));
    key.wait(199 * NS_PER_MS);
    assert_eq!(key.take(1), refused(0, NS_PER_MS, 901 * NS_PER_MS));
    key.wait(NS_PER_MS);
    assert_eq!(key.take(1), allowed(0, 1_900 * NS_PER_MS));
    // In this window: 10 * (1 - f) + 1 + 4 <= 10 from f = 0.5 on.
    assert_eq!(key.take(4), refused(0, 400 * NS_PER_MS, 1_900 * NS_PER_MS));
    key.wait(400 * NS_PER_MS);
    assert_eq!(key.take(4), allowed(0, 1_500 * NS_PER_MS));
    // In the next one only: 5 * (1 - f) + 6 <= 10 from f = 0.2 on.
    assert_eq!(key.take(6), refused(0, 700 * NS_PER_MS, 1_500 * NS_PER_MS));
    assert_eq!(key.take(11).retry_after_ns, NEVER);
    // After a window without any, nothing of it counts.
    key.wait(1_500 * NS_PER_MS);
    assert_eq!(key.take(0), allowed(10, 0));
}

#[test]
fn a_sliding_window_lets_at_most_twice_less_one_through_in_a_period() {
    let mut key = Key::named("sliding-window", 100, NS_PER_S, 100);
    key.wait(1_999 * NS_PER_MS);
    let mut total = key.take(100).remaining + 100;
    for _ in 0..999 {
        key.wait(NS_PER_MS);
        total += u64::from(key.take(1).is_allowed);
    }
    assert_eq!(total, 199);
}

#[test]
fn a_sliding_log_counts_each_unit_for_exactly_a_period() {
    let mut key = Key::named("sliding-log", 3, 1000, 3);
    assert_eq!(key.take(0), allowed(3, 0));
    assert_eq!(key.take(2), allowed(1, 1000));
    assert_eq!(key.memory.logs.count(), 0, "one instant needs no log");
    key.wait(400);
    assert_eq!(key.take(1), allowed(0, 1000));
    assert_eq!(key.memory.logs.count(), 1);
    assert_eq!(key.take(1), refused(0, 600, 1000));
    assert_eq!(key.take(3), refused(0, 1000, 1000));
    assert_eq!(key.take(4), refused(0, NEVER, 1000));
    key.wait(599);
    assert_eq!(key.take(2), refused(0, 1, 401));
    key.wait(1);
    assert_eq!(key.take(2), allowed(0, 1000));
    key.give_back(2);
    assert_eq!(key.take(0), allowed(2, 400));
    key.force(1000);
    assert_eq!(key.take(1), refused(0, 1000, 1000));
    key.wait(1000);
    assert_eq!(key.take(0), allowed(3, 0));
    assert_eq!(key.take(1), allowed(2, 1000));
    assert_eq!(key.memory.logs.count(), 0, "an idle log is given up");
}

#[test]
fn without_a_log_a_key_is_held_more_strictly_not_less() {
    let mut key = Key::named("sliding-log", 3, 1000, 3);
    let mut others = Vec::new();
    for _ in 0..super::super::LOGS_MAX {
        let mut other = Key::named("sliding-log", 3, 1000, 3);
        std::mem::swap(&mut other.memory, &mut key.memory);
        other.take(1);
        other.wait(1);
        other.take(1);
        std::mem::swap(&mut other.memory, &mut key.memory);
        others.push(other);
    }
    assert_eq!(key.memory.logs.count(), super::super::LOGS_MAX);
    key.take(1);
    key.wait(400);
    assert_eq!(key.take(2), allowed(0, 1000));
    assert_eq!(key.take(1), refused(0, 1000, 1000));
    key.wait(1000);
    assert_eq!(key.take(1), allowed(2, 1000));
    // What is forgotten makes room.
    std::mem::swap(&mut others[7].memory, &mut key.memory);
    let (algorithm, cell) = others[7].parts();
    (algorithm.forget)(cell);
    std::mem::swap(&mut others[7].memory, &mut key.memory);
    key.wait(400);
    assert_eq!(key.take(1), allowed(1, 1000));
    key.wait(600);
    assert_eq!(key.take(0), allowed(2, 400));
}

#[test]
fn a_lost_permit_is_free_after_one_to_two_holds() {
    let mut key = Key::named("concurrency", 2, 1000, 2);
    key.wait(1_300);
    assert_eq!(key.take(1), allowed(1, 1_700));
    assert_eq!(key.take(1), allowed(0, 1_700));
    assert_eq!(key.take(1), refused(0, 1_700, 1_700));
    key.give_back(1);
    assert_eq!(key.take(0), allowed(1, 1_700));
    key.wait(700);
    assert_eq!(key.take(1), allowed(0, 2_000));
    assert_eq!(key.take(1), refused(0, 1000, 2_000));
    assert_eq!(key.take(2), refused(0, 2_000, 2_000));
    // The older one is released first: the younger is counted as long as it may be held.
    key.give_back(1);
    key.wait(1000);
    assert_eq!(key.take(0), allowed(1, 1000));
    key.wait(1000);
    assert_eq!(key.take(0), allowed(2, 0));
    key.give_back(5);
    assert_eq!(key.take(0), allowed(2, 0));
}
