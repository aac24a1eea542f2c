//! Counters and levels that one core writes and anybody reads.
//!
//! Job: count without a locked instruction and without sharing a cache line. In: one core's events.
//! Out: sums over cores. Invariant: each row has one writing core; a counter never falls.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Grows only.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Only by the core whose row it is.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    /// What has been counted.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Rises and falls.
#[derive(Debug, Default)]
pub struct Level(AtomicU32);

impl Level {
    /// Only by the core whose row it is.
    #[inline]
    pub fn rise(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    /// Only by the core whose row it is.
    #[inline]
    pub fn fall(&self) {
        let level = self.0.load(Relaxed);
        debug_assert!(level > 0, "a level falls below 0");
        self.0.store(level.saturating_sub(1), Relaxed);
    }

    /// The present level.
    #[inline]
    pub fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Only by the core whose row it is.
    #[inline]
    pub fn set(&self, level: u32) {
        self.0.store(level, Relaxed);
    }
}

/// One row per core, each in cache lines of its own.
#[derive(Debug)]
pub struct Rows<T>(Box<[Padded<T>]>);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> Rows<T> {
    /// Rows of zeros for so many cores.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        Self((0..cores).map(|_| Padded::default()).collect())
    }
}

impl<T> Rows<T> {
    /// The row that `core` writes.
    #[inline]
    pub fn of(&self, core: usize) -> &T {
        &self.0[core].0
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }

    /// The sum of something over all rows.
    pub fn sum<N: std::iter::Sum>(&self, of: impl FnMut(&T) -> N) -> N {
        self.iter().map(of).sum()
    }
}

/// Parts into which each power of two of microseconds is divided.
const PARTS: usize = 4;
/// Enough for 2^30 us, some 18 minutes; what takes longer counts as that.
const BUCKETS: usize = 30 * PARTS;

/// A histogram of durations, each to within a quarter of its size.
#[derive(Debug)]
pub struct Durations {
    buckets: [Counter; BUCKETS],
    sum_us: Counter,
}

impl Default for Durations {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Counter::default()), sum_us: Counter::default() }
    }
}

/// A copy of histograms, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationCounts {
    /// How many in each bucket.
    pub counts: Vec<u64>,
    /// All durations together, in microseconds.
    pub sum_us: u64,
}

impl Durations {
    /// Only by the core whose row it is.
    #[inline]
    pub fn record(&self, duration_us: u64) {
        self.buckets[bucket_of(duration_us)].add(1);
        self.sum_us.add(duration_us);
    }
}

fn bucket_of(duration_us: u64) -> usize {
    let value = duration_us.max(PARTS as u64);
    let power = value.ilog2() as usize;
    let part = (value >> (power - PARTS.ilog2() as usize)) as usize & (PARTS - 1);
    // Values below PARTS share the first bucket.
    ((power - PARTS.ilog2() as usize) * PARTS + part).min(BUCKETS - 1)
}

/// The largest duration of a bucket, in microseconds.
fn upper_bound_us(bucket: usize) -> u64 {
    let power = bucket / PARTS + PARTS.ilog2() as usize;
    let step = 1u64 << (power - PARTS.ilog2() as usize);
    (1u64 << power) + step * (bucket % PARTS + 1) as u64 - 1
}

impl DurationCounts {
    /// The sum of several histograms.
    pub fn of<'a>(histograms: impl Iterator<Item = &'a Durations>) -> Self {
        let mut all = Self { counts: vec![0; BUCKETS], sum_us: 0 };
        for histogram in histograms {
            for (sum, bucket) in all.counts.iter_mut().zip(&histogram.buckets) {
                *sum += bucket.get();
            }
            all.sum_us += histogram.sum_us.get();
        }
        all
    }

    /// What has been recorded since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let difference = |(now, then): (&u64, &u64)| now.saturating_sub(*then);
        Self {
            counts: self.counts.iter().zip(&earlier.counts).map(difference).collect(),
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
        }
    }

    /// How many durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The duration that `percent` percent do not exceed, in microseconds, rounded up to the end of its
    /// bucket; 0 when there is none.
    #[must_use]
    pub fn percentile_us(&self, percent: f64) -> u64 {
        let rank = (self.count() as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound_us(bucket);
            }
        }
        0
    }

    /// Counts up to and with each bound of `bounds_us`, in the manner of Prometheus.
    pub fn cumulative(&self, bounds_us: &[u64]) -> Vec<u64> {
        let up_to = |bound: &u64| {
            let below = |(bucket, _): &(usize, &u64)| upper_bound_us(*bucket) <= *bound;
            self.counts.iter().enumerate().filter(below).map(|(_, count)| count).sum()
        };
        bounds_us.iter().map(up_to).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_in_its_bucket() {
        for duration_us in (0..5000).chain([1 << 20, (1 << 20) + 1, (1 << 21) - 1]) {
            let bucket = bucket_of(duration_us);
            assert!(duration_us <= upper_bound_us(bucket), "{duration_us}");
            assert!(bucket == 0 || duration_us > upper_bound_us(bucket - 1), "{duration_us}");
            assert!(
                upper_bound_us(bucket) <= (duration_us + duration_us / 4).max(4),
                "{duration_us}"
            );
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_and_differences_add_up() {
        let rows: Rows<Durations> = Rows::new(2);
        for duration_us in 1..=1000 {
            rows.of(duration_us as usize % 2).record(duration_us);
        }
        let all = DurationCounts::of(rows.iter());
        assert_eq!((all.count(), all.sum_us), (1000, 500_500));
        for (percent, exact) in [(50.0, 500), (99.0, 990), (100.0, 1000)] {
            let found = all.percentile_us(percent);
            assert!((exact..=exact * 5 / 4).contains(&found), "{percent}: {found}");
        }
        rows.of(0).record(1);
        let since = DurationCounts::of(rows.iter()).since(&all);
        assert_eq!((since.count(), since.percentile_us(99.0)), (1, upper_bound_us(0)));
        assert_eq!(all.cumulative(&[upper_bound_us(3), 1 << 40])[1], 1000);
    }

    #[test]
    fn rows_of_cores_share_no_cache_line() {
        let rows: Rows<Level> = Rows::new(3);
        let address = |core| std::ptr::from_ref(rows.of(core)) as usize;
        assert!(address(1) - address(0) >= 128 && address(0) % 128 == 0);
        rows.of(0).rise();
        rows.of(2).rise();
        assert_eq!(rows.sum(Level::get), 2);
        rows.of(2).fall();
        assert_eq!(rows.sum(Level::get), 1);
    }
}
