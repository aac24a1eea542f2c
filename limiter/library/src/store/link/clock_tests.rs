//! Tests of the store's clock.

use ringlet_base::random::Random;

use super::*;

const UNIX_US: u64 = 1_700_000_000_000_000;

#[test]
fn the_true_time_lies_within_the_bounds_whatever_the_way_and_the_drift() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let drift_ppm = random.below(2 * DRIFT_PPM) as i64 - DRIFT_PPM as i64;
        let true_ns = |now_ns: u64| {
            (UNIX_US * 1000) as i64
                + now_ns as i64
                + (now_ns as i128 * i128::from(drift_ppm) / 1_000_000) as i64
        };
        let (mut clock, mut store) = (ServerClock::default(), StoreClock::default());
        let mut now_ns = 1_000_000;
        for _ in 0..300 {
            let sent_ns = now_ns;
            let read_ns = sent_ns + random.below(5_000_000);
            now_ns = read_ns + random.below(5_000_000);
            clock.learn(true_ns(read_ns) as u64 / 1000, sent_ns, now_ns);
            now_ns += random.below(500_000_000);
            let interval = clock.interval(now_ns).expect("an answer came");
            let offset_ns = true_ns(now_ns) - now_ns as i64;
            assert!(
                interval.low_ns - 1000 <= offset_ns && offset_ns <= interval.high_ns + 1000,
                "seed {seed}: {interval:?} {offset_ns}"
            );
            store.update(clock.interval(now_ns).into_iter(), now_ns);
            let shown_ms = (now_ns / NS_PER_MS).saturating_add_signed(store.offset_ms());
            let true_ms = true_ns(now_ns) as u64 / NS_PER_MS;
            assert!(shown_ms.abs_diff(true_ms) <= store.error_ms(), "seed {seed}");
            assert!(store.error_ms() < 60, "seed {seed}: {}", store.error_ms());
        }
    }
}

#[test]
fn a_worse_answer_does_not_replace_a_better_one_until_that_has_aged() {
    let mut clock = ServerClock::default();
    clock.learn(UNIX_US, 0, 100_000);
    let good = clock.interval(100_000);
    clock.learn(UNIX_US + 20_000, 0, 20_000_000);
    assert_eq!(clock.interval(100_000), good);
    // After 1000 s the good one is 100 ms wide on either side.
    let late_ns = 1_000_000_000_000;
    clock.learn(UNIX_US + late_ns / 1000, late_ns, late_ns + 20_000_000);
    assert_eq!(clock.interval(late_ns + 20_000_000).map(Interval::width_ns), Some(20_001_000));
}

#[test]
fn a_clock_that_was_set_is_believed_at_once() {
    let mut clock = ServerClock::default();
    clock.learn(UNIX_US, 0, 100_000);
    clock.learn(UNIX_US - 3_000_000, 1_000_000, 6_000_000);
    let (low_ms, high_ms) = clock.interval(6_000_000).expect("known").unix_ms(6_000_000);
    assert_eq!((low_ms, high_ms), (UNIX_US / 1000 - 3000, UNIX_US / 1000 - 3000 + 5));
}

/// Exactly this offset, without a width.
fn exactly(offset_ms: i64) -> Interval {
    let ns = offset_ms * NS_PER_MS as i64;
    Interval { low_ns: ns, high_ns: ns }
}

#[test]
fn what_is_shown_never_runs_back_and_its_error_says_so() {
    let mut store = StoreClock::default();
    assert_eq!(store.error_ms(), UNKNOWN_ERROR_MS);
    store.update([exactly(5000)].into_iter(), 0);
    assert_eq!((store.offset_ms(), store.error_ms()), (5000, ROUNDING_MS));
    let mut shown_ms = 5000;
    for ms in 1..500 {
        store.update([exactly(4900)].into_iter(), ms * NS_PER_MS);
        let next_ms = ms as i64 + store.offset_ms();
        assert!(next_ms >= shown_ms, "{ms}");
        assert_eq!(store.error_ms(), (store.offset_ms() - 4900) as u64 + ROUNDING_MS);
        shown_ms = next_ms;
    }
    assert_eq!(store.offset_ms(), 4900);
    store.update([exactly(4950)].into_iter(), 500 * NS_PER_MS);
    assert_eq!(store.offset_ms(), 4950);
}

#[test]
fn the_error_spans_all_servers_and_grows_while_none_answers() {
    let mut store = StoreClock::default();
    store.update([exactly(100), exactly(140)].into_iter(), 0);
    assert_eq!((store.offset_ms(), store.error_ms()), (120, 20 + ROUNDING_MS));
    store.update([].into_iter(), 100_000 * NS_PER_MS);
    assert_eq!((store.offset_ms(), store.error_ms()), (120, 20 + 10 + ROUNDING_MS));
}

#[test]
fn no_answer_overflows_anything() {
    let mut clock = ServerClock::default();
    for store_us in [0, 1, u64::MAX, u64::MAX / 1000, i64::MAX as u64 / 1000] {
        clock.learn(store_us, u64::MAX, 0);
        clock.learn(store_us, 0, u64::MAX);
        let mut store = StoreClock::default();
        store.update(clock.interval(u64::MAX).into_iter(), u64::MAX);
        store.update(clock.interval(0).into_iter(), 0);
        assert!(store.error_ms() <= UNKNOWN_ERROR_MS);
    }
}
