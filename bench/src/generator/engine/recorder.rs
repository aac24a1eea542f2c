//! Job: count and time the replies of one stream on one core.
//! In: replies with their intended time and the time of their coming. Out: figures of the whole, of each
//! kind and of each second.
//! Invariant: a request counts as measured by the time at which it was meant to be sent, so a slow reply
//! to it counts however late it comes.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::generator::outcome::{Figures, Interval, Latencies};
use crate::generator::traffic::Answer;

/// Texts of errors that are told apart.
const ERROR_TEXTS_MAX: usize = 16;
/// What counts errors with further texts.
const OTHER_ERRORS: &str = "others";
const SECOND_NS: u64 = 1_000_000_000;

/// What one stream of one core has seen.
#[derive(Debug)]
pub struct Recorder {
    /// Intended times that count, in nanoseconds since the start of the load.
    measured: Range<u64>,
    /// By the number of their kind.
    pub kinds: Vec<Figures>,
    /// From the intended to the real time of sending, without what connections were busy.
    pub lateness: Latencies,
    /// Requests meant for the measured time.
    pub offered: u64,
    /// Errors by their text.
    pub errors: BTreeMap<String, u64>,
    /// When the last reply came that counts.
    pub last_reply_ns: u64,
    /// By so much the first second is shorter: one of them begins where the warm-up ends.
    missing_ns: u64,
    /// The second that runs.
    second: u64,
    running: Figures,
}

impl Recorder {
    /// Nothing seen; requests that are meant for a time of `measured` count.
    pub fn new(kinds: usize, measured: Range<u64>) -> Self {
        let missing_ns = (SECOND_NS - measured.start % SECOND_NS) % SECOND_NS;
        Self {
            missing_ns,
            measured,
            kinds: vec![Figures::default(); kinds],
            lateness: Latencies::default(),
            offered: 0,
            errors: BTreeMap::new(),
            last_reply_ns: 0,
            second: 0,
            running: Figures::default(),
        }
    }

    /// A request meant for `intended_ns` went out at `now_ns`; for `kept_ns` of that its connection was
    /// busy.
    pub fn sent(&mut self, intended_ns: u64, kept_ns: u64, now_ns: u64) {
        if self.measured.contains(&intended_ns) {
            self.offered += 1;
            let late_ns = now_ns.saturating_sub(intended_ns).saturating_sub(kept_ns);
            self.lateness.0.saturating_record(late_ns.max(1));
        }
    }

    /// Its reply came at `now_ns`.
    pub fn answered(&mut self, kind: u16, intended_ns: u64, now_ns: u64, answer: Answer) {
        let latency_ns = now_ns.saturating_sub(intended_ns).max(1);
        count(&mut self.running, latency_ns, answer);
        if self.measured.contains(&intended_ns) {
            count(&mut self.kinds[usize::from(kind)], latency_ns, answer);
            self.last_reply_ns = now_ns;
        }
    }

    /// An error came with that text.
    pub fn error(&mut self, text: String) {
        let is_known = self.errors.contains_key(&text);
        let key = if is_known || self.errors.len() < ERROR_TEXTS_MAX {
            text
        } else {
            OTHER_ERRORS.to_owned()
        };
        *self.errors.entry(key).or_default() += 1;
    }

    fn begin_ns(&self, second: u64) -> u64 {
        (second * SECOND_NS).saturating_sub(self.missing_ns)
    }

    /// Hands out the second that has ended by `now_ns`, if one has.
    pub fn take_interval(&mut self, now_ns: u64, outstanding: u64) -> Option<Interval> {
        (now_ns >= self.begin_ns(self.second + 1))
            .then(|| self.finish_interval(now_ns, outstanding))
    }

    /// Hands out the second that runs.
    pub fn finish_interval(&mut self, now_ns: u64, outstanding: u64) -> Interval {
        let second = self.second;
        let (start_ns, end_ns) = (self.begin_ns(second), self.begin_ns(second + 1));
        self.second += 1;
        Interval {
            second,
            is_warm_up: start_ns < self.measured.start,
            start_s: start_ns as f64 / 1e9,
            length_s: now_ns.min(end_ns).saturating_sub(start_ns) as f64 / 1e9,
            figures: std::mem::take(&mut self.running),
            outstanding,
        }
    }
}

fn count(figures: &mut Figures, latency_ns: u64, answer: Answer) {
    figures.requests += 1;
    match answer {
        Answer::Good => {}
        Answer::Miss => figures.misses += 1,
        Answer::Refused => figures.refused += 1,
        Answer::Wrong => figures.wrong += 1,
    }
    figures.latency.0.saturating_record(latency_ns);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringlet_base::random::Random;

    #[test]
    fn percentiles_equal_those_of_a_sorted_list_within_three_digits() {
        let seed = std::env::var("RINGLET_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or(17);
        println!("seed {seed}");
        let mut random = Random::new(seed);
        // Two cores, latencies over nine orders of magnitude.
        let mut merged = Figures::default();
        let mut all = Vec::new();
        for _ in 0..2 {
            let mut recorder = Recorder::new(1, 0..u64::MAX);
            for _ in 0..50_000 {
                let latency_ns = 10f64.powf(random.fraction() * 9.0 + 1.0) as u64;
                let intended_ns = random.below(SECOND_NS);
                recorder.answered(0, intended_ns, intended_ns + latency_ns, Answer::Good);
                all.push(latency_ns);
            }
            merged.add(&recorder.kinds[0]);
        }
        all.sort_unstable();
        assert_eq!(merged.requests, all.len() as u64);
        for quantile in [0.0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0] {
            let rank = ((quantile * all.len() as f64).ceil() as usize).max(1);
            let (exact, found) = (all[rank - 1], merged.latency.0.value_at_quantile(quantile));
            let off = (found as f64 - exact as f64).abs() / exact as f64;
            assert!(off <= 0.001, "{quantile}: {found} instead of {exact}");
        }
        let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
        assert!((merged.latency.0.mean() / mean - 1.0).abs() < 0.001);
    }

    #[test]
    fn only_what_was_meant_for_the_measured_time_counts() {
        let mut recorder = Recorder::new(2, 100..200);
        for (intended_ns, now_ns) in [(99, 150), (100, 101), (199, 10_000), (200, 201)] {
            // The connection was busy for two of these five nanoseconds.
            recorder.sent(intended_ns, 2, intended_ns + 5);
            recorder.answered(1, intended_ns, now_ns, Answer::Miss);
        }
        assert_eq!((recorder.kinds[0].requests, recorder.kinds[1].requests), (0, 2));
        assert_eq!(recorder.kinds[1].misses, 2);
        assert_eq!(recorder.kinds[1].latency.0.max(), 9807);
        assert_eq!((recorder.offered, recorder.lateness.0.max()), (2, 3));
        assert_eq!(recorder.last_reply_ns, 10_000);
    }

    #[test]
    fn a_second_begins_where_the_warm_up_ends() {
        let mut recorder = Recorder::new(1, SECOND_NS * 5 / 4..u64::MAX);
        recorder.answered(0, 5, 10, Answer::Good);
        let now_ns = SECOND_NS * 3 / 2;
        let intervals = [
            recorder.take_interval(now_ns, 0).expect("the rest of a second"),
            recorder.take_interval(now_ns, 0).expect("a second of warm-up"),
            recorder.finish_interval(now_ns, 0),
        ];
        assert!(recorder.take_interval(now_ns, 0).is_none());
        let told = intervals.each_ref().map(|interval| {
            (interval.second, interval.start_s, interval.length_s, interval.is_warm_up)
        });
        assert_eq!(told, [(0, 0.0, 0.25, true), (1, 0.25, 1.0, true), (2, 1.25, 0.25, false)]);
        assert_eq!(intervals[0].figures.requests, 1);
    }

    #[test]
    fn seconds_end_one_after_the_other() {
        let mut recorder = Recorder::new(1, 0..u64::MAX);
        recorder.answered(0, 5, 10, Answer::Good);
        assert!(recorder.take_interval(SECOND_NS - 1, 0).is_none());
        // The core stood still for two seconds: each gets its interval.
        let first = recorder.take_interval(2 * SECOND_NS + 1, 7).expect("the first second");
        assert_eq!((first.second, first.figures.requests, first.outstanding), (0, 1, 7));
        let second = recorder.take_interval(2 * SECOND_NS + 1, 7).expect("the second one");
        assert_eq!((second.second, second.figures.requests), (1, 0));
        assert!(recorder.take_interval(2 * SECOND_NS + 1, 7).is_none());
    }

    #[test]
    fn error_texts_are_bounded_and_none_is_lost() {
        let mut recorder = Recorder::new(1, 0..1);
        for number in 0..100 {
            recorder.error(format!("ERR {number}"));
        }
        recorder.error("ERR 3".to_owned());
        assert_eq!(recorder.errors.len(), ERROR_TEXTS_MAX + 1);
        assert_eq!((recorder.errors["ERR 3"], recorder.errors[OTHER_ERRORS]), (2, 84));
    }
}
