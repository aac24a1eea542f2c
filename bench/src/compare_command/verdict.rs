//! Job: say whether two systems differ, or whether it is the noise.
//! In: figures of the same rounds. Out: a [`Verdict`] with the difference and how sure it is.
//! Invariant: figures are compared round by round only, so that what slows a whole round down (the
//! machine, its neighbours) is in no ratio.
//!
//! The rule: the logarithms of the ratios have a mean and, by Student's t, an interval that holds the true
//! mean in 95 of 100 comparisons, however few the rounds are. Two systems differ if the interval excludes
//! 1, and if the median ratio lies on the same side by at least [`LEAST_PERCENT`]. So systems that are
//! equal are called different in fewer than 5 of 100 comparisons. An outlier widens the interval, and
//! makes a verdict rarer, not wrong. Below [`LEAST_ROUNDS`] rounds there is no verdict: one ratio says
//! nothing about the noise, and two say that any difference below a factor of two or so may be noise.

use std::fmt;

use crate::compare::Spread;

/// So many rounds are needed.
pub const LEAST_ROUNDS: usize = 3;
/// A smaller difference matters to nobody, also where there is no noise (system calls per request).
pub const LEAST_PERCENT: f64 = 1.0;

/// The rule, for reports.
pub const RULE: &str = "Two systems differ where the interval that holds the true ratio in 95 of 100 \
                        comparisons (in brackets; Student's t over the logarithms of the ratios of the \
                        rounds) excludes 1 and the median is off by 1 % or more; else they are equal. So of twenty \
                        verdicts on systems that are equal one may well say that they differ: one \
                        that nothing explains asks for another run.";

/// Which side of a figure is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Good {
    /// Times, memory.
    Low,
    /// Rates.
    High,
}

/// What the rounds say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It differs in the good direction.
    Better,
    /// It differs in the other.
    Worse,
    /// The difference is inside the spread.
    Equal,
    /// There are fewer than [`LEAST_ROUNDS`] rounds.
    TooFewRounds,
}

/// What the rounds say, and the figures behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// In a word.
    pub word: Word,
    /// The median of the ratios, figure over peer.
    pub ratio: f64,
    /// Where the true ratio lies in 95 of 100 comparisons; none with fewer than two rounds.
    pub interval: Option<(f64, f64)>,
    /// How many rounds there are.
    pub rounds: usize,
}

/// The verdict on figures of the same rounds: (peer, own). Pairs with a figure that is not above 0 say
/// nothing about a ratio and do not count. `None` without pairs.
pub fn verdict(pairs: &[(f64, f64)], good: Good) -> Option<Verdict> {
    let ratios: Vec<f64> = pairs
        .iter()
        .filter(|(peer, own)| *peer > 0.0 && *own > 0.0)
        .map(|(peer, own)| own / peer)
        .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
        .collect();
    let ratio = Spread::of(&ratios)?.median;
    let (rounds, interval) = (ratios.len(), interval(&ratios));
    let word = match interval {
        Some((low, high)) if rounds >= LEAST_ROUNDS => {
            let least = 1.0 + LEAST_PERCENT / 100.0;
            let is_lower = high < 1.0 && ratio * least <= 1.0;
            let is_higher = low > 1.0 && ratio >= least;
            let is_better = if good == Good::Low { is_lower } else { is_higher };
            match is_lower || is_higher {
                false => Word::Equal,
                true if is_better => Word::Better,
                true => Word::Worse,
            }
        }
        _ => Word::TooFewRounds,
    };
    Some(Verdict { word, ratio, interval, rounds })
}

/// Where the geometric mean of the ratios lies in 95 of 100 cases.
fn interval(ratios: &[f64]) -> Option<(f64, f64)> {
    let count = ratios.len() as f64;
    let freedom = ratios.len().checked_sub(2)?;
    let mean = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count;
    let squares: f64 = ratios.iter().map(|ratio| (ratio.ln() - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    // The last one is right for 31 rounds and a little too careful for more.
    let half = T_95[freedom.min(T_95.len() - 1)] * error;
    Some(((mean - half).exp(), (mean + half).exp()))
}

/// Quantiles 0.975 of Student's t with 1, 2, 3 ... degrees of freedom.
const T_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.ratio - 1.0) * 100.0;
        match self.word {
            Word::Better => write!(f, "better by {:.1} %", percent.abs())?,
            Word::Worse => write!(f, "worse by {:.1} %", percent.abs())?,
            Word::Equal => match self.interval {
                Some((low, high)) if low > 1.0 || high < 1.0 => {
                    write!(f, "equal (less than {LEAST_PERCENT} %)")?;
                }
                _ => f.write_str("equal (difference inside the spread)")?,
            },
            Word::TooFewRounds => {
                let rounds = self.rounds;
                return write!(
                    f,
                    "{percent:+.1} %, no verdict from {rounds} of {LEAST_ROUNDS} rounds"
                );
            }
        }
        let Some((low, high)) = self.interval else { return Ok(()) };
        write!(f, " [{:+.1} to {:+.1} %]", (low - 1.0) * 100.0, (high - 1.0) * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use ringlet_base::random::Random;

    use super::*;

    fn judged(pairs: &[(f64, f64)], good: Good) -> Word {
        verdict(pairs, good).expect("there are pairs").word
    }

    #[test]
    fn the_good_side_is_that_of_the_figure() {
        let lower = [(10.0, 8.0), (11.0, 8.9), (9.0, 7.1)];
        let higher = [(8.0, 10.0), (8.9, 11.0), (7.1, 9.0)];
        assert_eq!(judged(&lower, Good::Low), Word::Better);
        assert_eq!(judged(&lower, Good::High), Word::Worse);
        assert_eq!(judged(&higher, Good::Low), Word::Worse);
        assert_eq!(judged(&higher, Good::High), Word::Better);
    }

    #[test]
    fn few_rounds_and_small_differences_are_said_to_be_so() {
        assert_eq!(judged(&[(10.0, 5.0), (10.0, 5.0)], Good::Low), Word::TooFewRounds);
        assert_eq!(judged(&[(1.0, 0.995); 5], Good::Low), Word::Equal);
        assert_eq!(judged(&[(1.0, 0.98); 5], Good::Low), Word::Better);
        assert_eq!(judged(&[(1.0, 1.005); 5], Good::Low), Word::Equal);
        assert_eq!(verdict(&[(0.0, 1.0), (1.0, 0.0)], Good::Low), None);
        assert_eq!(verdict(&[], Good::Low), None);
    }

    #[test]
    fn a_slow_round_does_not_matter_as_both_had_it() {
        let pairs = [(10.0, 8.0), (40.0, 32.1), (10.0, 7.9)];
        assert_eq!(judged(&pairs, Good::Low), Word::Better);
    }

    #[test]
    fn a_verdict_says_the_difference_and_how_sure_it_is() {
        let text = |pairs: &[(f64, f64)]| verdict(pairs, Good::Low).expect("pairs").to_string();
        assert_eq!(text(&[(10.0, 8.0); 3]), "better by 20.0 % [-20.0 to -20.0 %]");
        assert_eq!(text(&[(8.0, 10.0); 3]), "worse by 25.0 % [+25.0 to +25.0 %]");
        assert_eq!(text(&[(8.0, 10.0)]), "+25.0 %, no verdict from 1 of 3 rounds");
        assert!(text(&[(1.0, 1.004); 3]).starts_with("equal (less than 1 %) ["));
        assert!(text(&[(1.0, 1.0); 3]).starts_with("equal (difference inside the spread) ["));
    }

    /// Numbers around 0 with a standard deviation of 1 (sums of twelve uniform ones).
    struct Noise(Random);

    impl Noise {
        fn seeded(test: &str) -> Self {
            let seed = Random::from_system().expect("entropy").next_u64();
            println!("{test}: seed {seed}");
            Self(Random::new(seed))
        }

        fn uniform(&mut self) -> f64 {
            (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
        }
    }

    /// In which share of many comparisons of some rounds each word comes out.
    fn shares(rounds: usize, mut round: impl FnMut() -> (f64, f64)) -> impl Fn(Word) -> f64 {
        const RUNS: usize = 4000;
        let words: Vec<Word> = (0..RUNS)
            .map(|_| {
                let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| round()).collect();
                judged(&pairs, Good::Low)
            })
            .collect();
        move |word| words.iter().filter(|found| **found == word).count() as f64 / RUNS as f64
    }

    #[test]
    fn equal_systems_are_rarely_called_different() {
        let mut noise = Noise::seeded("equal systems");
        for rounds in [3, 5, 10] {
            // All of a round is up to twice as slow; beside that there are 3 % of noise.
            let share = shares(rounds, || {
                let machine = 1.0 + noise.uniform();
                let mut figure = || machine * (1.0 + 0.03 * noise.normal());
                (figure(), figure())
            });
            let different = share(Word::Better) + share(Word::Worse);
            // 5 % are promised; four standard errors of 4000 runs are 1.4 %.
            assert!(different < 0.065, "{rounds} rounds: {different}");
            // Half a promise more, so that a rule that never sees anything fails here too.
            assert!(different > 0.005, "{rounds} rounds: {different}");
        }
    }

    #[test]
    fn outliers_make_no_differences() {
        let mut noise = Noise::seeded("outliers");
        let share = shares(5, || {
            let mut figure = || {
                let outlier = if noise.uniform() < 0.1 { 1.5 } else { 1.0 };
                outlier * (1.0 + 0.03 * noise.normal())
            };
            (figure(), figure())
        });
        let different = share(Word::Better) + share(Word::Worse);
        assert!(different < 0.065, "{different}");
    }

    #[test]
    fn a_tenth_is_found_in_three_percent_of_noise() {
        let mut noise = Noise::seeded("a tenth");
        for (factor, word) in [(0.9, Word::Better), (1.1, Word::Worse)] {
            let share = shares(5, || {
                let mut figure = |mean: f64| mean * (1.0 + 0.03 * noise.normal());
                (figure(1.0), figure(factor))
            });
            assert!(share(word) > 0.9, "{factor}: {}", share(word));
        }
    }
}
