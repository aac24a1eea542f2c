//! Job: say what was found: tables, sentences, pictures.
//! In: [`Measured`]. Out: [`Findings`] for the report, a table for the terminal.
//! Invariant: only rounds in which both systems were measured are compared; what a figure is and which
//! side of it is good stands once, in [`FIGURES`].

use std::fmt::Write as _;

use super::rounds::{Measured, OfLoad, OfSystem, Sample};
use super::verdict::{Good, verdict};
use crate::compare::{Spread, Target};
use crate::report::Findings;
use crate::report::words::{NOTHING, number};

/// A figure of a round.
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Which side is the good one.
    pub good: Good,
    /// The figure.
    pub of: fn(&Sample) -> f64,
}

/// What is compared, in the order in which it is shown.
pub const FIGURES: &[Figure] = &[
    Figure { name: "CPU per request", unit: "us", good: Good::Low, of: |sample| sample.cpu_us },
    Figure { name: "requests per second", unit: "1/s", good: Good::High, of: |sample| sample.rate },
    Figure { name: "p50", unit: "us", good: Good::Low, of: |sample| sample.p50_us },
    Figure { name: "p99", unit: "us", good: Good::Low, of: |sample| sample.p99_us },
    Figure { name: "p99.9", unit: "us", good: Good::Low, of: |sample| sample.p99_9_us },
    Figure { name: "resident", unit: "MiB", good: Good::Low, of: |sample| sample.resident_mib },
];

/// The findings for the report; pictures are made elsewhere.
pub fn findings(measured: &Measured) -> Findings {
    let mut findings = Findings { commands: measured.commands.clone(), ..Findings::default() };
    for load in &measured.loads {
        let Some((peer, others)) = load.systems.split_first() else { continue };
        for own in others {
            rows(load, peer, own, &mut findings);
            traced_rows(load, peer, own, &mut findings);
            findings.notes.extend(sentence(load, peer, own));
        }
    }
    findings.notes.extend(measured.notes.iter().cloned());
    findings
}

fn rows(load: &OfLoad, peer: &OfSystem, own: &OfSystem, findings: &mut Findings) {
    for figure in FIGURES {
        let (mut peers, mut owns): (Vec<f64>, Vec<f64>) =
            pairs(peer, own, figure.of).into_iter().unzip();
        let (mut name, mut unit) = (figure.name, figure.unit);
        if figure.good == Good::High {
            // Lower is better in every row of the report.
            (name, unit) = ("time per request (1 / rate)", "us");
            for rate in peers.iter_mut().chain(&mut owns) {
                *rate = 1e6 / *rate;
            }
        }
        let name = format!("{}: {}: {name}", load.name, own.name);
        findings.row(&name, unit, &peers, &owns, Target::None);
    }
}

fn traced_rows(load: &OfLoad, peer: &OfSystem, own: &OfSystem, findings: &mut Findings) {
    let (Some(peer_traced), Some(traced)) = (peer.traced, own.traced) else { return };
    for (what, peer, count) in [
        ("system calls per request", peer_traced.system_calls, traced.system_calls),
        ("context switches per request", peer_traced.context_switches, traced.context_switches),
        ("instructions per request", peer_traced.instructions, traced.instructions),
    ] {
        let (Some(peer), Some(count)) = (peer, count) else { continue };
        let name = format!("{}: {}: {what}", load.name, own.name);
        findings.row(&name, "", &[peer], &[count], Target::None);
    }
}

/// What the rounds say about a system beside its peer.
fn sentence(load: &OfLoad, peer: &OfSystem, own: &OfSystem) -> Option<String> {
    let parts: Vec<String> = FIGURES
        .iter()
        .filter_map(|figure| {
            let verdict = verdict(&pairs(peer, own, figure.of), figure.good)?;
            Some(format!("{} {verdict}", figure.name))
        })
        .collect();
    let head = format!("{}, {} beside {}", load.name, own.name, peer.name);
    (!parts.is_empty()).then(|| format!("{head}: {}.", parts.join("; ")))
}

/// A figure of the rounds in which both have one: (peer, own).
fn pairs(peer: &OfSystem, own: &OfSystem, of: fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    peer.rounds
        .iter()
        .zip(&own.rounds)
        .filter_map(|(peer, own)| Some((of(peer.as_ref()?), of(own.as_ref()?))))
        .collect()
}

/// The median of a figure over the rounds that there are.
pub fn median(of: &OfSystem, figure: fn(&Sample) -> f64) -> Option<f64> {
    let figures: Vec<f64> = of.rounds.iter().flatten().map(figure).collect();
    Spread::of(&figures).map(|spread| spread.median)
}

/// All systems beside each other, load by load, and the verdicts: for the terminal.
pub fn table(measured: &Measured) -> String {
    let mut text = String::new();
    for load in &measured.loads {
        let _ = writeln!(text, "{}", load.name);
        let mut lines = vec![vec!["  (medians)".to_owned()]];
        for Figure { name, unit, .. } in FIGURES {
            lines[0].push(if *name == "requests per second" {
                "1/s".to_owned()
            } else {
                format!("{name} {unit}")
            });
        }
        lines[0].push("syscalls/request".to_owned());
        for of in &load.systems {
            let shown = |figure: Option<f64>| figure.map_or_else(|| NOTHING.to_owned(), number);
            let mut line = vec![format!("  {}", of.name)];
            line.extend(FIGURES.iter().map(|figure| shown(median(of, figure.of))));
            line.push(shown(of.traced.and_then(|traced| traced.system_calls)));
            lines.push(line);
        }
        text += &aligned(&lines);
        let Some((peer, others)) = load.systems.split_first() else { continue };
        for own in others {
            let _ = writeln!(text, "  {} beside {}:", own.name, peer.name);
            for figure in FIGURES {
                let verdict = verdict(&pairs(peer, own, figure.of), figure.good);
                let verdict = verdict.map_or_else(|| "not measured".to_owned(), |v| v.to_string());
                let _ = writeln!(text, "    {:<20}{verdict}", figure.name);
            }
        }
        text.push('\n');
    }
    text
}

/// Lines of cells, the first cell to the left and figures to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let widths = lines.iter().filter_map(|line| line.get(column));
        widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            let width = width(column);
            let _ = if column == 0 {
                write!(text, "{cell:<width$}")
            } else {
                write!(text, "  {cell:>width$}")
            };
        }
        text.push('\n');
    }
    text
}
