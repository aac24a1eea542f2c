//! Job: draw what was found: latencies over percentiles, the runs second by second, CPU time as bars.
//! In: [`Measured`]. Out: [`Plot`]s.
//! Invariant: a line belongs to one system, and the same system has the same name in all plots.

use super::findings::median;
use super::rounds::{Measured, OfLoad, OfSystem};
use crate::compare::Spread;
use crate::generator::outcome::Second;
use crate::report::plot::{Axis, Line, Plot, Scale};
use crate::report::runs::{self, Shown};

/// All plots.
pub fn plots(measured: &Measured) -> Vec<Plot> {
    let cpu = Some(cpu(measured)).filter(|plot| !plot.lines.is_empty());
    cpu.into_iter().chain(measured.loads.iter().flat_map(runs)).collect()
}

fn runs(load: &OfLoad) -> Vec<Plot> {
    let shown: Vec<Shown> = load
        .systems
        .iter()
        .map(|of| Shown { name: &of.name, latency: &of.latency, seconds: typical_run(of) })
        .collect();
    runs::plots(
        &load.name,
        &shown,
        "All rounds together, from the time at which a request was meant to be sent.",
        "Of each system the round whose rate is nearest to the median; without the warm-up.",
    )
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
