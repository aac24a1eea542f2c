//! Latency: how long commands take, as histograms, and the events of the latency monitor.
//! In: durations. Out: buckets and samples that INFO and LATENCY sum over cores.
//! Invariant: an event keeps a bounded number of samples, one for each second at most.

use std::collections::{BTreeMap, VecDeque};

/// Buckets of a histogram: four for each power of two, so that a bucket is a quarter as wide as
/// the values in it at most. The last one takes all above.
pub const BUCKETS: usize = 160;

/// Samples that an event keeps, as in Redis.
pub const EVENT_SAMPLES_MAX: usize = 160;

/// The bucket of a duration in clock ticks.
#[inline]
pub fn bucket_of(ticks: u64) -> usize {
    if ticks < 4 {
        return ticks as usize;
    }
    let bits = (u64::BITS - ticks.leading_zeros()) as usize;
    let quarter = (ticks >> (bits - 3)) & 3;
    ((bits - 2) * 4 + quarter as usize).min(BUCKETS - 1)
}

/// The first duration in ticks that is above a bucket.
pub fn bucket_end(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64 + 1;
    }
    let (bits, quarter) = (bucket / 4 + 2, bucket as u64 % 4);
    (quarter + 5) << (bits - 3)
}

/// The samples of one event.
#[derive(Clone, Debug, Default)]
pub struct EventSamples {
    /// Second since 1970 and the longest duration in it, in milliseconds; oldest first.
    pub samples: VecDeque<(i64, u64)>,
    /// Longest duration ever, in milliseconds.
    pub max_ms: u64,
}

/// The events of one core.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// By name.
    pub by_name: BTreeMap<&'static str, EventSamples>,
}

impl Events {
    /// Notes that an event took this long.
    pub fn add(&mut self, name: &'static str, time_s: i64, duration_ms: u64) {
        let event = self.by_name.entry(name).or_default();
        event.max_ms = event.max_ms.max(duration_ms);
        match event.samples.back_mut() {
            Some((last_s, longest_ms)) if *last_s == time_s => {
                *longest_ms = duration_ms.max(*longest_ms);
            }
            _ => event.samples.push_back((time_s, duration_ms)),
        }
        if event.samples.len() > EVENT_SAMPLES_MAX {
            event.samples.pop_front();
        }
    }
}

/// A histogram of durations in nanoseconds, summed over cores: end of the bucket and count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution(pub BTreeMap<u64, u64>);

impl Distribution {
    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The duration in nanoseconds that this percentage of all does not exceed.
    pub fn percentile_ns(&self, percentage: f64) -> u64 {
        let wanted = (self.count() as f64 * percentage / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (end_ns, count) in &self.0 {
            seen += count;
            if seen >= wanted {
                return *end_ns;
            }
        }
        0
    }

    /// The distribution as LATENCY HISTOGRAM shows it: for each power of two of microseconds at
    /// which more than before are counted, the number of durations up to there.
    pub fn by_powers_of_two_us(&self) -> Vec<(u64, u64)> {
        let mut steps: Vec<(u64, u64)> = Vec::new();
        let mut seen = 0;
        for (end_ns, count) in &self.0 {
            seen += count;
            let end_us = end_ns.div_ceil(1024).next_power_of_two();
            match steps.last_mut() {
                Some((last_us, total)) if *last_us == end_us => *total = seen,
                _ => steps.push((end_us, seen)),
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        for bucket in 0..BUCKETS - 1 {
            let end = bucket_end(bucket);
            assert_eq!(bucket_of(end - 1), bucket);
            assert_eq!(bucket_of(end), bucket + 1);
            let width = end - if bucket == 0 { 0 } else { bucket_end(bucket - 1) };
            assert!(width == 1 || width * 4 <= end, "{bucket} is too wide");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn an_event_keeps_the_longest_of_each_second_and_a_bounded_number() {
        let mut events = Events::default();
        events.add("command", 1, 5);
        events.add("command", 1, 9);
        events.add("command", 1, 7);
        assert_eq!(events.by_name["command"].samples, [(1, 9)]);
        for second in 2..1000 {
            events.add("command", second, 1);
        }
        let event = &events.by_name["command"];
        assert_eq!((event.samples.len(), event.max_ms), (EVENT_SAMPLES_MAX, 9));
        assert_eq!(event.samples.back(), Some(&(999, 1)));
    }

    #[test]
    fn percentiles_and_powers_of_two() {
        let distribution = Distribution(BTreeMap::from([(500, 90), (3000, 9), (40_000, 1)]));
        assert_eq!(distribution.count(), 100);
        assert_eq!(distribution.percentile_ns(50.0), 500);
        assert_eq!(distribution.percentile_ns(99.0), 3000);
        assert_eq!(distribution.percentile_ns(99.9), 40_000);
        assert_eq!(Distribution::default().percentile_ns(50.0), 0);
        assert_eq!(distribution.by_powers_of_two_us(), [(1, 90), (4, 99), (64, 100)]);
    }
}
