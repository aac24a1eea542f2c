//! Job: the times at which an open loop means to send.
//! In: a rate, the time. Out: intended times, one after the other.
//! Invariant: a time that has come is handed out however late the caller is, and none is skipped; equal
//! gaps do not drift, whatever the rate.

use ringlet_base::random::Random;

use crate::generator::plan::Gaps;

/// What one core sends of an open loop. All times are nanoseconds since the start of the load.
#[derive(Debug)]
pub struct Schedule {
    gaps: Gaps,
    gap_ns: f64,
    random: Random,
    /// When the first one is meant.
    first_ns: f64,
    handed_out: u64,
    next_ns: f64,
}

impl Schedule {
    /// The part of `core` of an open loop of `rate` requests per second over `cores` cores. Random times
    /// follow from the seed, which must be another for each core and stream: else they come together.
    pub fn new(rate: f64, gaps: Gaps, core: usize, cores: usize, seed: u64) -> Self {
        let gap_ns = 1e9 / rate * cores as f64;
        let mut random = Random::new(seed);
        // The cores take turns, or start at random.
        let first_ns = match gaps {
            Gaps::Equal => gap_ns * core as f64 / cores as f64,
            Gaps::Random => gap_ns * random.fraction(),
        };
        Self { gaps, gap_ns, random, first_ns, handed_out: 0, next_ns: first_ns }
    }

    /// When the next one is meant.
    pub fn next_ns(&self) -> u64 {
        self.next_ns as u64
    }

    /// The next intended time, if it is before `end_ns` and has come at `now_ns`.
    pub fn take_due(&mut self, now_ns: u64, end_ns: u64) -> Option<u64> {
        let due_ns = self.next_ns();
        if due_ns > now_ns || due_ns >= end_ns {
            return None;
        }
        self.handed_out += 1;
        self.next_ns = match self.gaps {
            Gaps::Equal => self.first_ns + self.handed_out as f64 * self.gap_ns,
            Gaps::Random => self.next_ns - self.gap_ns * (1.0 - self.random.fraction()).ln(),
        };
        Some(due_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn all(mut schedule: Schedule, end_ns: u64) -> Vec<u64> {
        std::iter::from_fn(|| schedule.take_due(u64::MAX, end_ns)).collect()
    }

    #[test]
    fn equal_gaps_over_cores_make_the_rate_and_do_not_drift() {
        for rate in [1.0, 3.0, 1000.0, 777_777.0] {
            let mut times: Vec<u64> = (0..3)
                .flat_map(|core| all(Schedule::new(rate, Gaps::Equal, core, 3, 0), 3 * SECOND_NS))
                .collect();
            times.sort_unstable();
            assert_eq!(times.len() as f64, rate * 3.0);
            let gap_ns = 1e9 / rate;
            for (number, time) in times.iter().enumerate() {
                assert!((*time as f64 - number as f64 * gap_ns).abs() < 2.0, "{number}: {time}");
            }
        }
    }

    #[test]
    fn the_seed_makes_random_times() {
        let [one, again, other] =
            [1, 1, 2].map(|seed| all(Schedule::new(1000.0, Gaps::Random, 0, 1, seed), SECOND_NS));
        assert_eq!(one, again);
        assert_ne!(one, other, "a bystander would come with the load");
    }

    #[test]
    fn random_gaps_make_the_rate_and_spread_as_poisson_has_it() {
        let times = all(Schedule::new(100_000.0, Gaps::Random, 0, 1, 1), 10 * SECOND_NS);
        assert!((times.len() as f64 / 1e6 - 1.0).abs() < 0.005, "{}", times.len());
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // The deviation of exponential gaps equals their mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.02);
    }

    #[test]
    fn what_is_late_is_handed_out_all_the_same_and_nothing_too_early() {
        let mut schedule = Schedule::new(1000.0, Gaps::Equal, 0, 1, 0);
        assert_eq!(schedule.take_due(0, SECOND_NS), Some(0));
        assert_eq!(schedule.take_due(999_999, SECOND_NS), None);
        // The caller stood still for five milliseconds.
        let due: Vec<u64> =
            std::iter::from_fn(|| schedule.take_due(5_000_000, SECOND_NS)).collect();
        assert_eq!(due, [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]);
        assert_eq!(schedule.take_due(u64::MAX, 6_000_000), None, "the end comes first");
    }
}
