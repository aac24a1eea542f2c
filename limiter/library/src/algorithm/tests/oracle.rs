//! The same requests to `governor`, which is another GCRA. It keeps whole nanoseconds for a cell, so
//! the period here is a multiple of the count; its burst counts the first cell, as ours does.

use super::Key;
use governor::clock::FakeRelativeClock;
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};
use proptest::prelude::*;
use std::num::NonZeroU32;
use std::time::Duration;

proptest! {
    #[test]
    fn governor_answers_the_same(
        name in prop::sample::select(vec!["gcra", "token-bucket", "leaky-bucket"]),
        interval_ns in prop_oneof![1..20_u64, 1..10_000_000_000_u64],
        count in 1..1000_u64,
        burst in 1..50_u32,
        // How many cells, and how long after the one before, in hundredths of an interval.
        requests in prop::collection::vec((1..60_u32, 0..500_u64), 1..200),
    ) {
        let clock = FakeRelativeClock::default();
        let quota = Quota::with_period(Duration::from_nanos(interval_ns)).unwrap()
            .allow_burst(NonZeroU32::new(burst).unwrap());
        let governor = RateLimiter::direct_with_clock(quota, clock.clone())
            .with_middleware::<StateInformationMiddleware>();
        let mut key = Key::named(name, count, interval_ns * count, burst.into());
        for (cells, hundredths) in requests {
            let wait_ns = interval_ns * hundredths / 100;
            clock.advance(Duration::from_nanos(wait_ns));
            key.wait(wait_ns);
            let ours = key.take(cells.into());
            match governor.check_n(NonZeroU32::new(cells).unwrap()) {
                Err(_) => prop_assert_eq!(ours.retry_after_ns, crate::time::NEVER),
                Ok(Ok(snapshot)) => {
                    prop_assert!(ours.is_allowed);
                    prop_assert_eq!(ours.remaining, u64::from(snapshot.remaining_burst_capacity()));
                }
                Ok(Err(refused)) => {
                    prop_assert!(!ours.is_allowed);
                    let wait = refused.wait_time_from(governor::clock::Clock::now(&clock));
                    prop_assert_eq!(u128::from(ours.retry_after_ns), wait.as_nanos());
                }
            }
        }
    }
}
