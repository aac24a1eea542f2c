//! Limiters that end and start while others go on: what they held is lost or given back, and no limit with
//! it.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::accuracy::{TURN, one, pair};
use crate::limiter::{Limiter, wait_until};
use crate::load::{BATCH, Batch, CONNECTIONS, admitted, ask_for, ask_while, unix_ms};
use crate::stores::{Kind, Store};

/// So much that it takes a while.
const LIMIT: u64 = 1_000_000;
/// What all limiters together may hold unspent, in percent of the limit.
const HELD_PERCENT: u64 = 5;
/// Answers that a connection's end may swallow.
const SWALLOWED: u64 = (BATCH * CONNECTIONS) as u64;

/// A window that does not end during the test: its length in seconds and its start.
pub fn long_window() -> (u64, u64) {
    let now_ms = unix_ms();
    let period_s = (3600..).find(|period_s| now_ms % (period_s * 1000) < period_s * 500);
    let period_s = period_s.expect("some end later");
    (period_s, now_ms - now_ms % (period_s * 1000))
}

fn rules(period_s: u64) -> String {
    format!(
        "[rule.hot]\non_store_failure = \"closed\"\n\
         algorithm = \"fixed-window\"\nlimit = {LIMIT}\nwindow = \"{period_s}s\"\n\
         [rule.bucket]\non_store_failure = \"closed\"\n\
         algorithm = \"token-bucket\"\nlimit = {LIMIT}\nwindow = \"{period_s}s\"\n"
    )
}

/// Two limiters under load; when the store has counted a part of the limit, `end` is done to one of them,
/// and another is started in its place; the load goes on, on the new one too, until the store has counted
/// `until`. What was let through, and what is counted then.
fn end_one(kind: Kind, end: fn(&mut Limiter), until: u64) -> (Vec<Batch>, u64) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (period_s, start_ms) = long_window();
    let key = format!("rl:{{hot:key}}:{start_ms}/{}", period_s * 1000);
    let store = Store::start(kind);
    let rules = rules(period_s);
    let [mut first, mut second] = pair(&store, &rules);
    let addresses = [first.resp, second.resp];
    let is_over = AtomicBool::new(false);
    let goes_on = || !is_over.load(Ordering::Relaxed);
    let (asked, is_replaced) = (AtomicU64::new(0), AtomicBool::new(false));
    let leaves_some = || {
        // On a fast machine there would be nothing left for the new one.
        if asked.fetch_add(BATCH as u64, Ordering::Relaxed) > LIMIT / 2 {
            wait_until("there is another", || is_replaced.load(Ordering::Relaxed));
        }
        goes_on()
    };
    let (batches, mut third) = thread::scope(|scope| {
        let load = scope.spawn(|| ask_while(&addresses, "hot", "key", leaves_some));
        wait_until("the load has begun", || store.number(&key) >= LIMIT as i64 / 10);
        end(&mut first);
        let counted = store.number(&key);
        assert!(counted < until as i64, "it is too late: {counted} are counted");
        let third = one(&store, &rules);
        is_replaced.store(true, Ordering::Relaxed);
        let addresses = [third.resp];
        let load_of_third = scope.spawn(move || ask_while(&addresses, "hot", "key", goes_on));
        wait_until("so much is counted", || store.number(&key) >= until as i64);
        // What was asked for too much is given back, and others get it.
        thread::sleep(Duration::from_millis(300));
        is_over.store(true, Ordering::Relaxed);
        let of_third = load_of_third.join().expect("a load");
        assert!(admitted(&of_third) > 0, "it came too late for its share");
        let mut batches = load.join().expect("a load");
        batches.extend(of_third);
        (batches, third)
    });
    for limiter in [&mut second, &mut third] {
        limiter.assert_well();
        let status = limiter.terminate();
        assert!(status.success(), "{status}");
    }
    (batches, store.number(&key) as u64)
}

fn a_killed_limiter_takes_no_more_with_it_than_it_held(kind: Kind) {
    let (batches, counted) = end_one(kind, Limiter::kill, LIMIT);
    let total = admitted(&batches);
    println!("{kind:?}: {total} of {LIMIT} let through, {counted} counted");
    assert!(total <= LIMIT, "{total}");
    let lost_most = LIMIT * HELD_PERCENT / 100 + SWALLOWED;
    assert!(total + lost_most >= LIMIT, "{total}: more than {lost_most} are lost");
}

#[test]
fn a_killed_limiter_takes_no_more_with_it_than_it_held_of_redis() {
    a_killed_limiter_takes_no_more_with_it_than_it_held(Kind::Redis);
}

#[test]
fn a_killed_limiter_takes_no_more_with_it_than_it_held_of_ringlet_server() {
    a_killed_limiter_takes_no_more_with_it_than_it_held(Kind::Ringlet);
}

#[test]
fn a_limiter_that_is_told_to_end_under_load_gives_back_what_it_holds() {
    let end = |limiter: &mut Limiter| {
        let status = limiter.terminate();
        assert!(status.success(), "{status}");
    };
    let (batches, counted) = end_one(Kind::Redis, end, LIMIT / 2);
    let total = admitted(&batches);
    println!("{total} let through, {counted} counted");
    let swallowed = counted.checked_sub(total).expect("what is let through is counted");
    assert!(swallowed <= 2 * SWALLOWED, "{swallowed} are counted and were not let through");
}

/// Nothing is under way when they end: the store knows exactly what was let through.
fn all_is_given_back(kind: Kind) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (period_s, start_ms) = long_window();
    let store = Store::start(kind);
    let limiters = pair(&store, &rules(period_s));
    let addresses = [limiters[0].resp, limiters[1].resp];
    let time = Duration::from_millis(300);
    let [hot, bucket] = ["hot", "bucket"].map(|rule| ask_for(&addresses, rule, "key", time));
    for mut limiter in limiters {
        let status = limiter.terminate();
        assert!(status.success(), "{status}");
    }
    let counted = store.number(&format!("rl:{{hot:key}}:{start_ms}/{}", period_s * 1000)) as u64;
    println!("{kind:?}: {counted} counted, {} let through of the bucket", admitted(&bucket));
    assert_eq!(counted, admitted(&hot));
    assert!(admitted(&bucket) > 0);
    // The key has the rate in its smallest numbers.
    let period_ms = period_s * 1000;
    let is_common =
        |divisor: &u64| LIMIT.is_multiple_of(*divisor) && period_ms.is_multiple_of(*divisor);
    let divisor = (1..=LIMIT).rev().find(is_common).expect("1 divides both");
    let held =
        store.held(&format!("rl:{{bucket:key}}:{}/{}", LIMIT / divisor, period_ms / divisor));
    assert_eq!(held, [0, 0], "tokens of a bucket that two holders have");
}

#[test]
fn all_is_given_back_to_redis() {
    all_is_given_back(Kind::Redis);
}

#[test]
fn all_is_given_back_to_ringlet_server() {
    all_is_given_back(Kind::Ringlet);
}
