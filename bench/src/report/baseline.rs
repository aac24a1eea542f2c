//! Job: say what got worse and what got better since a run that was kept.
//! In: the suites of then and of now. Out: [`Changes`].
//! Invariant: rows are paired by suite and name; ratios are compared where both have them, as the peer
//! of the same run takes the machine's mood out of them; a difference that noise makes is none.
//!
//! The rule: the spreads, least to greatest, do not overlap, and the medians differ by at least
//! [`LEAST_PERCENT`]. The fewer rounds, the narrower is a spread beside the noise it comes from: the
//! spreads of three rounds that measure the same miss each other in one of ten cases, those of five in one
//! of a hundred. So spreads of fewer than [`FULL_ROUNDS`] rounds are taken for wider by half on either
//! side. A single round has none: then the medians must differ by [`LEAST_PERCENT_ALONE`].

use serde::Serialize;

use super::Suite;
use crate::compare::{Row, Spread};
use crate::machine::Machine;

/// A smaller difference matters to nobody, as in comparisons.
const LEAST_PERCENT: f64 = 1.0;
/// The same where a figure was measured once, and nothing is known of its noise.
const LEAST_PERCENT_ALONE: f64 = 5.0;
/// Spreads of so many rounds are taken as they are.
const FULL_ROUNDS: usize = 5;

/// A row that is not what it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Where the row stands.
    pub suite: String,
    /// What was measured.
    pub row: String,
    /// The unit of the figures: "ratio" or the row's.
    pub unit: String,
    /// What it was.
    pub before: Spread,
    /// What it is.
    pub now: Spread,
    /// By how many percent the median grew; below 0 it fell.
    pub percent: f64,
}

/// What became of all rows of the baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changes {
    /// What differs between the two machines, and in how was measured: then the rest says little.
    pub machine: Vec<String>,
    /// Rows that cost more, the worst first.
    pub worse: Vec<Change>,
    /// Rows that cost less, the best first.
    pub better: Vec<Change>,
    /// Rows whose difference is small, or may be noise.
    pub equal: usize,
    /// Rows that the baseline has not.
    pub new: Vec<String>,
    /// Rows of suites that ran again which only the baseline has.
    pub gone: Vec<String>,
}

/// Compares the rows of `now` with those of `before`.
pub fn changes(before: &[Suite], now: &[Suite]) -> Changes {
    let mut changes = Changes::default();
    for suite in now {
        let Some(earlier) = before.iter().find(|earlier| earlier.name == suite.name) else {
            changes.new.extend(suite.report.rows.iter().map(|row| title(suite, row)));
            continue;
        };
        let (then, how) = (&earlier.report.how, &suite.report.how);
        let otherwise = (then != how).then(|| format!("{}: {how}; before: {then}", suite.name));
        let machine = differences(&earlier.report.machine, &suite.report.machine);
        for line in machine.into_iter().chain(otherwise) {
            if !changes.machine.contains(&line) {
                changes.machine.push(line);
            }
        }
        for row in &suite.report.rows {
            match earlier.report.rows.iter().find(|other| other.name == row.name) {
                None => changes.new.push(title(suite, row)),
                Some(other) => changes.add(&suite.name, other, row),
            }
        }
        let is_gone = |row: &&Row| suite.report.rows.iter().all(|other| other.name != row.name);
        changes
            .gone
            .extend(earlier.report.rows.iter().filter(is_gone).map(|row| title(earlier, row)));
    }
    changes.worse.sort_by(|one, other| other.percent.total_cmp(&one.percent));
    changes.better.sort_by(|one, other| one.percent.total_cmp(&other.percent));
    changes
}

impl Changes {
    fn add(&mut self, suite: &str, earlier: &Row, row: &Row) {
        let (unit, before, now) = match (earlier.ratio, row.ratio) {
            (Some(before), Some(now)) => ("ratio", before, now),
            _ => (row.unit.as_str(), earlier.own, row.own),
        };
        let rounds = earlier.rounds.min(row.rounds);
        if !is_different(before, now, rounds) {
            self.equal += 1;
            return;
        }
        let change = Change {
            suite: suite.to_owned(),
            row: row.name.clone(),
            unit: unit.to_owned(),
            before,
            now,
            percent: (now.median / before.median - 1.0) * 100.0,
        };
        // By the medians, as a percentage of a figure that was below zero would lie.
        if now.median > before.median { &mut self.worse } else { &mut self.better }.push(change);
    }
}

/// Whether two figures differ by more than noise, which were measured in so many rounds at least.
fn is_different(before: Spread, now: Spread, rounds: usize) -> bool {
    let widened = |spread: Spread| {
        let more = if rounds < FULL_ROUNDS { (spread.max - spread.min) / 2.0 } else { 0.0 };
        (spread.min - more, spread.max + more)
    };
    let ((before_min, before_max), (now_min, now_max)) = (widened(before), widened(now));
    let least = if rounds > 1 { LEAST_PERCENT } else { LEAST_PERCENT_ALONE } / 100.0;
    let is_large = (now.median - before.median).abs() >= least * before.median.abs();
    is_large && now.median != before.median && (now_min > before_max || now_max < before_min)
}

fn title(suite: &Suite, row: &Row) -> String {
    format!("{}: {}", suite.name, row.name)
}

fn differences(before: &Machine, now: &Machine) -> Vec<String> {
    let pairs = before.hardware().into_iter().zip(now.hardware());
    pairs
        .filter(|((_, before), (_, now))| before != now)
        .map(|((what, before), (_, now))| format!("{what}: was {before}, is {now}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Target;
    use crate::report::Report;

    fn suite(rows: &[(&str, &[f64], &[f64])]) -> Suite {
        let rows = rows
            .iter()
            .filter_map(|(name, peer, own)| Row::new(*name, "us", peer, own, Target::None))
            .collect();
        Suite { name: "server".to_owned(), report: Report { rows, ..Report::default() } }
    }

    #[test]
    fn ratios_are_compared_where_there_are_some() {
        // The machine is three times slower now; beside its peer the row got better.
        let before = suite(&[("x", &[10.0, 10.0], &[9.0, 9.2])]);
        let now = suite(&[("x", &[30.0, 30.0], &[24.0, 24.3])]);
        let changes = changes(&[before], &[now]);
        assert_eq!((changes.worse.len(), changes.better.len(), changes.equal), (0, 1, 0));
        assert!((changes.better[0].percent + 11.5).abs() < 0.1, "{:?}", changes.better);
    }

    #[test]
    fn a_difference_inside_the_spreads_is_none() {
        let before = suite(&[("x", &[], &[9.0, 11.0]), ("y", &[], &[9.0, 10.0])]);
        let now = suite(&[("x", &[], &[10.9, 14.0]), ("y", &[], &[13.0, 15.0])]);
        let changes = changes(&[before], &[now]);
        assert_eq!(changes.equal, 1);
        assert_eq!(changes.worse.len(), 1);
        assert_eq!(changes.worse[0].row, "y");
    }

    #[test]
    fn small_differences_are_none_and_those_of_single_rounds_must_be_large() {
        let compared = |before: &[f64], now: &[f64]| {
            changes(&[suite(&[("x", &[], before)])], &[suite(&[("x", &[], now)])])
        };
        assert_eq!(compared(&[10.0; 5], &[10.05; 5]).equal, 1);
        assert_eq!(compared(&[10.0; 5], &[10.2; 5]).worse.len(), 1);
        assert_eq!(compared(&[62.0], &[64.0]).equal, 1);
        assert_eq!(compared(&[62.0], &[66.0]).worse.len(), 1);
        assert_eq!(compared(&[62.0], &[56.0]).better.len(), 1);
        assert_eq!(compared(&[0.0], &[0.0]).equal, 1);
    }

    #[test]
    fn equal_rows_rarely_differ() {
        use ringlet_base::random::Random;
        let seed = Random::from_system().expect("entropy").next_u64();
        println!("seed {seed}");
        let mut random = Random::new(seed);
        const RUNS: usize = 4000;
        for rounds in [2, 3, 5, 7] {
            let mut figures = || -> Vec<f64> {
                // Sums of twelve uniform numbers: nearly normal, 5 % of noise.
                let mut normal = || (0..12).map(|_| random.fraction()).sum::<f64>() - 6.0;
                (0..rounds).map(|_| 100.0 + 5.0 * normal()).collect()
            };
            let different = (0..RUNS).filter(|_| {
                let now = suite(&[("x", &[], &figures())]);
                changes(&[suite(&[("x", &[], &figures())])], &[now]).equal == 0
            });
            let share = different.count() as f64 / RUNS as f64;
            println!("{rounds} rounds: {share}");
            // With two rounds hardly anything is known.
            let most = if rounds == 2 { 0.2 } else { 0.03 };
            assert!(share < most, "{rounds} rounds: {share}");
        }
    }

    #[test]
    fn what_is_new_and_what_is_gone_is_named() {
        let before = suite(&[("x", &[], &[1.0]), ("old", &[], &[1.0])]);
        let now = suite(&[("x", &[], &[1.0]), ("young", &[], &[1.0])]);
        let other = Suite { name: "lb".to_owned(), report: Report::default() };
        // A suite that did not run again is not gone.
        let changes = changes(&[before, other], &[now]);
        assert_eq!(changes.new, ["server: young"]);
        assert_eq!(changes.gone, ["server: old"]);
    }

    #[test]
    fn another_machine_is_noticed_but_not_another_load() {
        let machine =
            |cpus, load: &str| Machine { cpus, load_before: load.to_owned(), ..Machine::default() };
        let with = |machine| {
            let report = Report { machine, ..Report::default() };
            Suite { name: "server".to_owned(), report }
        };
        let compared =
            |cpus, load| changes(&[with(machine(2, "0.1"))], &[with(machine(cpus, load))]);
        assert_eq!(compared(2, "3.0").machine, Vec::<String>::new());
        assert_eq!(compared(4, "0.1").machine, ["CPUs: was 2, is 4"]);
        let measured = |how: &str| {
            let report = Report { how: how.to_owned(), ..Report::default() };
            Suite { name: "server".to_owned(), report }
        };
        let found = changes(&[measured("a")], &[measured("--quick, a")]).machine;
        assert_eq!(found, ["server: --quick, a; before: a"]);
    }
}
