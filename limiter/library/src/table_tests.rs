//! The table at its bounds.

use super::*;
use crate::algorithm::algorithm_by_name;
use crate::time::NS_PER_S;

/// One limit for all numbers.
struct One(Limit);

impl Limits for One {
    fn limit(&self, _: u32) -> Option<&Limit> {
        Some(&self.0)
    }
}

fn ten_a_second() -> One {
    let algorithm = algorithm_by_name("gcra").expect("a row of the table");
    One(Limit { algorithm, count: 10, period_ns: NS_PER_S, burst: 10, calendar: None })
}

fn take(table: &mut Table, limits: &One, hash: u64, cost: u64, now: Now) -> bool {
    let cell = table.cell(hash, 0, &limits.0, limits, now);
    (limits.0.algorithm.take)(cell, cost).is_allowed
}

/// Hashes all over the table.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Hashes whose keys all want the same places.
fn crowd(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|number| number << 32)
}

#[test]
fn a_key_is_found_again_and_keys_do_not_disturb_each_other() {
    let (mut table, limits, now) = (Table::new(1000), ten_a_second(), Now::at_ms(1000));
    for hash in 0..500 {
        assert!(take(&mut table, &limits, spread(hash), 10, now));
    }
    for hash in 0..500 {
        assert!(!take(&mut table, &limits, spread(hash), 1, now), "{hash}");
    }
    assert_eq!(table.counters(), TableCounters { keys: 500, evicted: 0, unplaced: 0 });
}

#[test]
fn what_says_nothing_any_more_makes_room_without_loss() {
    let (mut table, limits) = (Table::new(0), ten_a_second());
    for hash in crowd(16) {
        assert!(take(&mut table, &limits, hash, 1, Now::at_ms(1000)));
    }
    let later = Now::at_ms(2000);
    for hash in crowd(32).skip(16) {
        assert!(take(&mut table, &limits, hash, 10, later));
    }
    assert_eq!(table.counters(), TableCounters { keys: 16, evicted: 0, unplaced: 0 });
}

#[test]
fn the_least_used_key_goes_and_a_refused_one_never() {
    let (mut table, limits, now) = (Table::new(0), ten_a_second(), Now::at_ms(1000));
    for (number, hash) in crowd(16).enumerate() {
        let cost = if number == 7 { 2 } else { 10 };
        assert!(take(&mut table, &limits, hash, cost, now));
    }
    let newcomer = 100 << 32;
    assert!(take(&mut table, &limits, newcomer, 10, now));
    assert_eq!(table.counters().evicted, 1);
    for (number, hash) in crowd(16).enumerate().filter(|(number, _)| *number != 7) {
        assert!(!take(&mut table, &limits, hash, 1, now), "key {number} was forgotten");
    }
}

#[test]
fn keys_without_a_place_share_states_and_are_refused_rather_than_let_through() {
    let (mut table, limits, now) = (Table::new(0), ten_a_second(), Now::at_ms(1000));
    for hash in crowd(16) {
        assert!(take(&mut table, &limits, hash, 10, now));
    }
    let newcomers: Vec<u64> = crowd(116).skip(16).collect();
    let allowed: usize = (0..12)
        .flat_map(|_| &newcomers)
        .filter(|&&hash| take(&mut table, &limits, hash, 1, now))
        .count();
    // One state for all of them, as their hashes name the same one.
    assert_eq!(allowed, 10);
    let counters = table.counters();
    assert_eq!((counters.keys, counters.evicted, counters.unplaced), (16, 0, 1200));
}

#[test]
fn a_retired_limit_leaves_no_key() {
    let (mut table, limits, now) = (Table::new(100), ten_a_second(), Now::at_ms(1000));
    for hash in 0..50 {
        assert!(take(&mut table, &limits, spread(hash), 10, now));
    }
    table.retire(&limits, now);
    assert_eq!(table.counters().keys, 0);
    assert!(take(&mut table, &limits, spread(0), 10, now), "its state is gone");
}
