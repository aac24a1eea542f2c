//! Job: turn the measurements of alternating rounds into a row of the report.
//! In: one figure per round for the peer and for Ringlet, and a target.
//! Out: medians with their spread, the ratio of each round, and whether the target is reached.
//! Invariant: a ratio compares figures of the same round only; lower is better everywhere.

use serde::{Deserialize, Deserializer, Serialize};

/// The middle of some figures, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle figure; of an even number, the mean of the two in the middle.
    #[serde(deserialize_with = "endless")]
    pub median: f64,
    /// The least.
    #[serde(deserialize_with = "endless")]
    pub min: f64,
    /// The greatest.
    #[serde(deserialize_with = "endless")]
    pub max: f64,
}

impl Spread {
    /// The spread of `figures`, or `None` if there are none.
    pub fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let odd = sorted.len() % 2 == 1;
        let median = if odd { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 };
        Some(Self { median, min, max })
    }
}

/// A figure as it is read back: JSON has no word for what no number is enough for, and says null.
fn endless<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

/// All indices below `count`, beginning with another one in each round.
pub fn at_turn(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (round + turn) % count)
}

/// What a row must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The median of the ratios to the peer, at most.
    Ratio(f64),
    /// The median of Ringlet's own figures in the row's unit, at most.
    Figure(f64),
    /// The row only informs.
    None,
}

/// Whether a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Reached,
    /// It is not: the figure is this many percent above the target.
    #[serde(deserialize_with = "endless")]
    ShortBy(f64),
    /// There is no target.
    Informs,
}

/// One line of the comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The line of the table of targets that it stands for, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// The unit of the figures.
    pub unit: String,
    /// The peer's figures.
    pub peer: Option<Spread>,
    /// Ringlet's figures.
    pub own: Spread,
    /// Ringlet's figure over the peer's, round by round.
    pub ratio: Option<Spread>,
    /// What must be reached.
    pub target: Target,
    /// Whether it is.
    pub verdict: Verdict,
    /// Rounds measured.
    pub rounds: usize,
}

impl Row {
    /// The row for figures of `peer` and `own`, of which the i-th are of round i. `None` without
    /// own figures.
    pub fn new(
        name: impl Into<String>,
        unit: &str,
        peer: &[f64],
        own: &[f64],
        target: Target,
    ) -> Option<Self> {
        let pairs = peer.iter().zip(own).filter(|(peer, _)| **peer > 0.0);
        let ratios: Vec<f64> = pairs.map(|(peer, own)| own / peer).collect();
        let (own_spread, ratio) = (Spread::of(own)?, Spread::of(&ratios));
        let verdict = match target {
            Target::Ratio(most) => ratio.map_or(Verdict::Informs, |r| verdict(r.median, most)),
            Target::Figure(most) => verdict(own_spread.median, most),
            Target::None => Verdict::Informs,
        };
        Some(Self {
            name: name.into(),
            goal: None,
            unit: unit.to_owned(),
            peer: Spread::of(peer),
            own: own_spread,
            ratio,
            target,
            verdict,
            rounds: own.len(),
        })
    }
}

fn verdict(figure: f64, most: f64) -> Verdict {
    if figure <= most { Verdict::Reached } else { Verdict::ShortBy((figure / most - 1.0) * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers_of_figures() {
        let spread = |figures: &[f64]| Spread::of(figures).map(|s| (s.median, s.min, s.max));
        assert_eq!(spread(&[3.0, 1.0, 10.0]), Some((3.0, 1.0, 10.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 100.0]), Some((3.0, 1.0, 100.0)));
        assert_eq!(spread(&[7.0]), Some((7.0, 7.0, 7.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn ratios_pair_the_figures_of_one_round() {
        // The machine was three times slower in round 2; the ratios do not mind.
        let row = Row::new("x", "us", &[10.0, 30.0, 10.0], &[8.0, 24.0, 9.0], Target::Ratio(0.85))
            .expect("there are figures");
        let ratio = row.ratio.expect("there are pairs");
        assert!((ratio.median - 0.8).abs() < 1e-9);
        assert!((ratio.max - 0.9).abs() < 1e-9);
        assert_eq!(row.verdict, Verdict::Reached);
    }

    #[test]
    fn a_missed_target_says_by_how_much() {
        let row = Row::new("x", "us", &[10.0], &[9.0], Target::Ratio(0.6)).expect("figures");
        let Verdict::ShortBy(percent) = row.verdict else { panic!("{:?}", row.verdict) };
        assert!((percent - 50.0).abs() < 1e-9);
        let row = Row::new("x", "B", &[121.0], &[72.0], Target::Figure(72.0)).expect("figures");
        assert_eq!(row.verdict, Verdict::Reached);
    }

    #[test]
    fn rows_come_back_from_json_whole() {
        for (own, target) in [(3.0, Target::Figure(0.0)), (0.5, Target::Ratio(0.6))] {
            let mut row = Row::new("x", "us", &[1.0], &[own], target).expect("figures");
            row.goal = Some("a-goal".to_owned());
            let json = serde_json::to_string(&row).expect("JSON");
            assert_eq!(serde_json::from_str::<Row>(&json).expect("a row"), row, "{json}");
        }
    }

    #[test]
    fn a_peer_without_figure_gives_no_ratio() {
        let row = Row::new("x", "%", &[0.0], &[0.3], Target::Figure(1.0)).expect("figures");
        assert_eq!((row.ratio, row.verdict), (None, Verdict::Reached));
        assert_eq!(Row::new("x", "us", &[1.0], &[], Target::None), None);
    }
}
