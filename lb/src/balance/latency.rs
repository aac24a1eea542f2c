//! How fast a server answers.
//!
//! Job: one core's estimate of a server's latency, which believes bad news at once and good news
//! slowly, and one estimate of those of all cores. In: latencies and times. Out:
//! [`super::Candidate::latency_us`].
//! Invariant: a latency below the estimate never raises it; nothing measured for long means nothing
//! known: estimate and count fade to 0.
//!
//! Source: Finagle's `PeakEwma` with `tau` = 10 s: a latency above the estimate replaces it; otherwise
//! `estimate * d + latency * (1 - d)`, `d = e^(-passed / tau)`, where reading counts as a latency of 0 so
//! that a slow server is tried again. Here reading changes nothing, as another core may read. Whoever
//! reads all the time passes in each step a time of almost 0, in which a measured latency adds nothing:
//! what remains of the formula is `max(estimate * d, latency)`. (With the sum in the place of the
//! maximum, the first good answer after a rest would raise the estimate again: in the simulation of the
//! tests, one of eight equal servers got a fifth of its share.) Each core counts its measurements with
//! the same fading, and cores are merged in proportion to their counts: one that has just made its first
//! request knows less than one that makes thousands.
//!
//! A request that got no answer counts as slow, not by the time to its failure: a server that refuses at
//! once would otherwise look like the fastest. It counts as [`FAILURE_FACTOR`] times the estimate, at least
//! [`FAILURE_US_MIN`] and at most the timeout for an answer. So one failure costs a server little and is
//! forgotten after some [`TAU_MS`], and failures in a row soon cost it everything. The timeout for each
//! failure would keep a server that has lost one connection from its work for a minute or more.

/// Time in which what is known fades to 1/e.
pub const TAU_MS: i64 = 10_000;

/// How many times slower than it is known to be a server becomes by a failure.
pub const FAILURE_FACTOR: f32 = 4.0;
/// What a failure counts at least, in microseconds.
pub const FAILURE_US_MIN: u32 = 10_000;

/// One core's knowledge of one server's latency.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct PeakEwma {
    estimate_us: f32,
    count: f32,
    at_ms: i64,
}

impl PeakEwma {
    /// Takes in a latency.
    pub fn observe(&mut self, latency_us: u32, now_ms: i64) {
        let decay = self.decay(now_ms);
        self.estimate_us = (self.estimate_us * decay).max(latency_us as f32);
        self.count = self.count * decay + 1.0;
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// Takes in that no answer came, of which the longest may take `timeout_us`.
    pub fn observe_failure(&mut self, timeout_us: u32, now_ms: i64) {
        let known_us = self.estimate_us * self.decay(now_ms);
        // `as` saturates.
        let slower_us = (known_us * FAILURE_FACTOR) as u32;
        self.observe(slower_us.max(FAILURE_US_MIN).min(timeout_us), now_ms);
    }

    fn decay(&self, now_ms: i64) -> f32 {
        let passed_ms = now_ms.saturating_sub(self.at_ms).max(0);
        (-(passed_ms as f32) / TAU_MS as f32).exp()
    }

    /// As two words for a load board. A reader that sees words of two moments is wrong by no more than
    /// what fades between them.
    #[must_use]
    pub fn words(&self) -> [u64; 2] {
        let estimate = u64::from(self.estimate_us.to_bits()) << 32;
        [estimate | u64::from(self.count.to_bits()), self.at_ms as u64]
    }

    /// From the words of a load board.
    #[must_use]
    pub fn from_words(words: [u64; 2]) -> Self {
        let known = |bits: u64| Some(f32::from_bits(bits as u32)).filter(|value| value.is_finite());
        Self {
            estimate_us: known(words[0] >> 32).unwrap_or(0.0),
            count: known(words[0]).unwrap_or(0.0),
            at_ms: words[1] as i64,
        }
    }
}

/// The latency by what all cores know, in microseconds; 0 when they know nothing.
#[must_use]
pub fn merge(cores: impl Iterator<Item = PeakEwma>, now_ms: i64) -> u32 {
    let (mut sum, mut count) = (0.0, 0.0);
    for core in cores {
        let decay = core.decay(now_ms);
        sum += core.estimate_us * decay * core.count * decay;
        count += core.count * decay;
    }
    // A count that faded so far says nothing any more, and would divide by almost 0.
    if count < COUNT_MIN {
        return 0;
    }
    // Rounds up, as what is known is never 0; `as` saturates.
    ((sum / count).ceil() as u32).max(1)
}

/// The least sum of counts that is knowledge: one measurement, 46 s ago.
const COUNT_MIN: f32 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cell: PeakEwma, now_ms: i64) -> u32 {
        merge([cell].into_iter(), now_ms)
    }

    #[test]
    fn bad_news_count_at_once_and_good_news_slowly() {
        let mut cell = PeakEwma::default();
        assert_eq!(read(cell, 0), 0);
        cell.observe(1_000, 0);
        assert_eq!(read(cell, 0), 1_000);
        cell.observe(9_000, 1_000);
        assert_eq!(read(cell, 1_000), 9_000, "a peak");
        cell.observe(1_000, 1_000);
        assert_eq!(read(cell, 1_000), 9_000, "no time has passed");
        // 9000 / e; the good answer lets it fade no slower, and no faster.
        let before = read(cell, 11_000);
        assert!((3_310..=3_312).contains(&before), "{before}");
        cell.observe(1_000, 11_000);
        assert_eq!(read(cell, 11_000), before);
        cell.observe(1_000, 41_000);
        assert_eq!(read(cell, 41_000), 1_000, "then it has faded to what is measured");
    }

    #[test]
    fn a_failure_makes_slower_than_known_and_failures_in_a_row_very_slow() {
        let mut cell = PeakEwma::default();
        cell.observe_failure(30_000_000, 0);
        assert_eq!(read(cell, 0), FAILURE_US_MIN);
        cell.observe_failure(30_000_000, 0);
        assert_eq!(read(cell, 0), 4 * FAILURE_US_MIN);
        for _ in 0..20 {
            cell.observe_failure(30_000_000, 0);
        }
        assert_eq!(read(cell, 0), 30_000_000, "not beyond the time in which it may answer");
        let mut slow = PeakEwma::default();
        slow.observe(100_000, 0);
        slow.observe_failure(50_000, 0);
        assert_eq!(read(slow, 0), 100_000, "a failure makes nobody faster");
    }

    #[test]
    fn what_is_known_fades() {
        let mut cell = PeakEwma::default();
        cell.observe(10_000, 0);
        assert!((3_678..=3_680).contains(&read(cell, TAU_MS)), "{}", read(cell, TAU_MS));
        assert!(read(cell, 4 * TAU_MS) > 0);
        assert_eq!(read(cell, 5 * TAU_MS), 0, "nobody knows any more");
        assert_eq!(read(cell, -5), 10_000, "another core's clock may be behind");
    }

    #[test]
    fn cores_count_by_what_they_measured() {
        let mut busy = PeakEwma::default();
        for _ in 0..99 {
            busy.observe(1_000, 0);
        }
        let mut idle = PeakEwma::default();
        idle.observe(101_000, 0);
        let merged = merge([busy, idle, PeakEwma::default()].into_iter(), 0);
        assert!((1_999..=2_001).contains(&merged), "{merged}");
        // Knowledge that is older counts less: 99 / e^4 against 1.
        idle.observe(101_000, 4 * TAU_MS);
        let merged = merge([busy, idle].into_iter(), 4 * TAU_MS);
        assert!((36_000..37_000).contains(&merged), "{merged}");
    }

    #[test]
    fn words_carry_it_from_core_to_core() {
        let mut cell = PeakEwma::default();
        assert_eq!(PeakEwma::from_words([0, 0]), cell);
        cell.observe(1_234, 77);
        assert_eq!(PeakEwma::from_words(cell.words()), cell);
        let broken = PeakEwma::from_words([u64::MAX, u64::MAX]);
        assert_eq!(merge([broken, cell].into_iter(), 77), 1_234);
    }
}
