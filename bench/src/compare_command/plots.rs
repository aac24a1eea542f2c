//! Job: draw what was found: latencies over percentiles, the runs second by second, CPU time as bars.
//! In: [`Measured`]. Out: [`Plot`]s.
//! Invariant: a line belongs to one system, and the same system has the same name in all plots.

use super::findings::median;
use super::rounds::{Measured, OfLoad, OfSystem};
use crate::compare::Spread;
use crate::generator::outcome::Second;
use crate::report::plot::{Axis, Line, Plot, Scale, percentiles};

/// All plots.
pub fn plots(measured: &Measured) -> Vec<Plot> {
    let of_loads = measured.loads.iter().flat_map(|load| {
        let rate: fn(&Second) -> f64 = |second| second.requests as f64 / second.length_s;
        let p99: fn(&Second) -> f64 = |second| second.p99_us / 1000.0;
        [
            latencies(load),
            over_time(load, "requests per second", Scale::Linear, rate),
            over_time(load, "p99 of each second, ms", Scale::Log, p99),
        ]
    });
    let plots = std::iter::once(cpu(measured)).chain(of_loads);
    plots.filter(|plot| plot.lines.iter().any(|line| !line.points.is_empty())).collect()
}

fn latencies(load: &OfLoad) -> Plot {
    let line = |of: &OfSystem| percentiles(&of.name, &of.latency.0);
    let measured = load.systems.iter().filter(|of| !of.latency.0.is_empty());
    Plot {
        title: format!("{}: latencies", load.name),
        x: Axis::new("share of requests", Scale::Percentile),
        y: Axis::new("latency, ms", Scale::Log),
        lines: measured.map(line).collect(),
        caption: "All rounds together, from the time at which a request was meant to be sent."
            .to_owned(),
    }
}

fn over_time(load: &OfLoad, label: &str, scale: Scale, figure: fn(&Second) -> f64) -> Plot {
    let line = |of: &OfSystem| {
        // A small part of a second says little.
        let shown = |second: &&Second| !second.is_warm_up && second.length_s >= 0.5;
        let seconds = typical_run(of).iter().filter(shown);
        Line {
            name: of.name.clone(),
            points: seconds.map(|second| (second.second as f64, figure(second))).collect(),
            is_predicted: false,
        }
    };
    Plot {
        title: format!("{}: {label}", load.name),
        x: Axis::new("seconds since the start of the load", Scale::Linear),
        y: Axis::new(label, scale),
        lines: load.systems.iter().map(line).collect(),
        caption:
            "Of each system the round whose rate is nearest to the median; without the warm-up."
                .to_owned(),
    }
}

/// The run whose rate is nearest to the median.
fn typical_run(of: &OfSystem) -> &[Second] {
    let rates: Vec<f64> = of.rounds.iter().flatten().map(|sample| sample.rate).collect();
    let Some(Spread { median, .. }) = Spread::of(&rates) else { return &[] };
    let distance = |rate: f64| (rate - median).abs();
    of.rounds
        .iter()
        .flatten()
        .min_by(|one, other| distance(one.rate).total_cmp(&distance(other.rate)))
        .map_or(&[], |sample| &sample.seconds)
}

/// A group of bars for each load, and in it one for each system.
fn cpu(measured: &Measured) -> Plot {
    let mut lines: Vec<Line> = Vec::new();
    for (at, load) in measured.loads.iter().enumerate() {
        for of in &load.systems {
            let Some(figure) = median(of, |sample| sample.cpu_us) else { continue };
            let point = (at as f64, figure);
            match lines.iter_mut().find(|line| line.name == of.name) {
                Some(line) => line.points.push(point),
                None => {
                    let name = of.name.clone();
                    lines.push(Line { name, points: vec![point], is_predicted: false });
                }
            }
        }
    }
    let names = measured.loads.iter().map(|load| load.name.clone()).collect();
    Plot {
        title: "CPU time of the server per request".to_owned(),
        x: Axis { names, ..Axis::new("", Scale::Names) },
        y: Axis::new("us", Scale::Linear),
        lines,
        caption:
            "Medians of the rounds; user and system time of all processes of a system, warm-up \
                  included, by the answered requests."
                .to_owned(),
    }
}
