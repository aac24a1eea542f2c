//! Job: draw what several systems showed under one load: latencies over percentiles, and their runs second
//! by second.
//! In: what was measured of each. Out: [`Plot`]s.
//! Invariant: a line belongs to one system; seconds of the warm-up are not drawn, nor small parts of one.

use super::plot::{Axis, Line, Plot, Scale, percentiles};
use crate::generator::outcome::{Latencies, Outcome, Second};

/// Parts of a second that are shorter say little.
const SHOWN_S: f64 = 0.5;

/// What one system showed.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Its name.
    pub name: &'a str,
    /// All latencies.
    pub latency: &'a Latencies,
    /// The seconds that stand for it.
    pub seconds: &'a [Second],
}

/// The plots of one load; `of_latencies` and `of_seconds` say what was put together.
pub fn plots(load: &str, systems: &[Shown], of_latencies: &str, of_seconds: &str) -> Vec<Plot> {
    let rate: fn(&Second) -> f64 = |second| second.requests as f64 / second.length_s;
    let p99: fn(&Second) -> f64 = |second| second.p99_us / 1000.0;
    let over_time = |label: &str, scale, figure| Plot {
        title: format!("{load}: {label}"),
        x: Axis::new("seconds of load", Scale::Linear),
        y: Axis::new(label, scale),
        lines: systems.iter().map(|shown| over_time(shown, figure)).collect(),
        caption: of_seconds.to_owned(),
    };
    let latencies = Plot {
        title: format!("{load}: latencies"),
        x: Axis::new("share of requests", Scale::Percentile),
        y: Axis::new("latency, ms", Scale::Log),
        lines: systems
            .iter()
            .filter(|shown| !shown.latency.0.is_empty())
            .map(|shown| percentiles(shown.name, &shown.latency.0))
            .collect(),
        caption: of_latencies.to_owned(),
    };
    let all = [
        latencies,
        over_time("requests per second", Scale::Linear, rate),
        over_time("p99 of each second, ms", Scale::Log, p99),
    ];
    all.into_iter().filter(|plot| plot.lines.iter().any(|line| !line.points.is_empty())).collect()
}

fn over_time(shown: &Shown, figure: fn(&Second) -> f64) -> Line {
    let drawn = |second: &&Second| !second.is_warm_up && second.length_s >= SHOWN_S;
    let seconds = shown.seconds.iter().filter(drawn);
    Line {
        name: shown.name.to_owned(),
        points: seconds.map(|second| (second.second as f64, figure(second))).collect(),
        is_predicted: false,
    }
}

/// What one system showed in rounds under the same load, put together.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    name: String,
    latency: Latencies,
    /// Without warm-up, one round behind the other.
    seconds: Vec<Second>,
}

impl Rounds {
    /// None yet.
    pub fn of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Adds a round.
    pub fn add(&mut self, outcome: &Outcome) {
        self.latency.add(&outcome.total.latency);
        let first = self.seconds.len() as u64;
        let measured = outcome.seconds.iter().filter(|second| !second.is_warm_up);
        self.seconds.extend(
            (first..).zip(measured).map(|(number, second)| Second { second: number, ..*second }),
        );
    }
}

/// The plots of rounds under one load that all systems had.
pub fn plots_of_rounds(load: &str, systems: &[Rounds]) -> Vec<Plot> {
    let shown: Vec<Shown> = systems
        .iter()
        .map(|of| Shown { name: &of.name, latency: &of.latency, seconds: &of.seconds })
        .collect();
    plots(
        load,
        &shown,
        "Open loop at random gaps, from the time at which a request was meant to be sent; all rounds \
         together.",
        "One round behind the other, without their warm-up.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64, is_warm_up: bool, length_s: f64, requests: u64) -> Second {
        Second {
            second,
            is_warm_up,
            length_s,
            requests,
            errors: 0,
            p50_us: 100.0,
            p99_us: 2000.0,
            max_us: 3000.0,
            outstanding: 0,
        }
    }

    #[test]
    fn only_measured_seconds_are_drawn_by_their_length() {
        let seconds = [
            second(0, true, 1.0, 7),
            second(1, false, 1.0, 100),
            second(2, false, 0.6, 60),
            second(3, false, 0.1, 1),
        ];
        let latency = Latencies::default();
        let shown = [Shown { name: "a", latency: &latency, seconds: &seconds }];
        let plots = plots("GET", &shown, "", "");
        // Without latencies there is no curve of them.
        assert_eq!(plots.len(), 2);
        assert_eq!(plots[0].lines[0].points, [(1.0, 100.0), (2.0, 100.0)]);
        assert_eq!(plots[1].lines[0].points, [(1.0, 2.0), (2.0, 2.0)]);
        assert_eq!(plots[1].title, "GET: p99 of each second, ms");
    }

    #[test]
    fn rounds_stand_one_behind_the_other() {
        let mut outcome = crate::generator::outcome::tests::outcome();
        outcome.seconds = vec![second(0, true, 1.0, 7), second(1, false, 1.0, 100)];
        outcome.total.latency.0.record(1_000_000).expect("within the bounds");
        let mut rounds = Rounds::of("a");
        rounds.add(&outcome);
        rounds.add(&outcome);
        let plots = plots_of_rounds("GET", &[rounds]);
        assert_eq!(plots.len(), 3);
        assert_eq!(plots[1].lines[0].points, [(0.0, 100.0), (1.0, 100.0)]);
    }
}
