//! Job: the report as Markdown, which is also what the terminal shows.
//! In: a suite's report or the whole. Out: text.
//! Invariant: every row shows both figures, their spread, the ratio, the target and the verdict.

use std::fmt::Write as _;

use super::baseline::{Change, Changes};
use super::targets::Standing;
use super::words::{self, spread, spread_or_nothing};
use super::{Report, Whole};
use crate::compare::Row;

/// How all tables of rows are to be read.
pub const READING: &str = "Medians of alternating rounds (least to greatest); a ratio is the measured \
                           figure over the peer's of the same round. Lower is better.";

/// The whole report.
pub fn whole(whole: &Whole) -> String {
    let mut text = "# What Ringlet costs\n\n".to_owned();
    text += &targets(&whole.targets);
    if let Some(changes) = &whole.changes {
        text += &since(changes);
    }
    for suite in &whole.suites {
        text.push('\n');
        text += &section(&suite.report, "##");
    }
    text
}

/// The table of targets.
pub fn targets(standings: &[Standing]) -> String {
    let head = ["work", "peer", "must reach", "aim", "measured", "verdict"];
    let cells: Vec<Vec<String>> = standings
        .iter()
        .map(|standing| {
            let goal = &standing.goal;
            let (figure, beside) = words::measured(standing);
            vec![
                goal.work.to_owned(),
                goal.peer.to_owned(),
                words::target(goal.must, goal.unit),
                words::target(goal.aim, goal.unit),
                if beside.is_empty() { figure } else { format!("{figure}: {beside}") },
                words::reach(standing.reach),
            ]
        })
        .collect();
    format!("{}\n{}.\n", table(&head, &cells), words::count(standings))
}

/// What differs from the baseline.
pub fn since(changes: &Changes) -> String {
    let mut text = "\n## Since the baseline\n\n".to_owned();
    for line in &changes.machine {
        let _ = writeln!(text, "- ANOTHER MACHINE OR WAY TO MEASURE: {line}");
    }
    for (what, list) in [("got worse", &changes.worse), ("got better", &changes.better)] {
        let _ = writeln!(text, "- {} {what}", list.len());
        for change in list {
            let _ = writeln!(text, "  - {}", difference(change));
        }
    }
    let _ = writeln!(text, "- {} equal: the difference is small, or may be noise", changes.equal);
    for (what, list) in [("new", &changes.new), ("gone", &changes.gone)] {
        for row in list {
            let _ = writeln!(text, "- {what}: {row}");
        }
    }
    text
}

/// One row that changed.
pub fn difference(change: &Change) -> String {
    let Change { suite, row, unit, before, now, percent } = change;
    format!("{suite}: {row}: {percent:+.1} %, was {} {unit}, is {}", spread(*before), spread(*now))
}

/// One suite, under a heading of that depth.
pub fn section(report: &Report, heading: &str) -> String {
    let mut text = format!("{heading} {}\n\n", report.title);
    for line in &report.setting {
        let _ = writeln!(text, "- {line}");
    }
    let _ = writeln!(text, "\n{READING}\n");
    let head = ["what", "unit", "peer", "measured", "ratio", "target", "verdict", "rounds"];
    let cells: Vec<Vec<String>> = report.rows.iter().map(cells).collect();
    text += &table(&head, &cells);
    text.push('\n');
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    if !report.commands.is_empty() {
        let _ = writeln!(text, "\n```\n{}\n```", report.commands.join("\n"));
    }
    text
}

/// The cells of a row, in the order of the table's head.
fn cells(row: &Row) -> Vec<String> {
    vec![
        row.name.clone(),
        row.unit.clone(),
        spread_or_nothing(row.peer),
        spread(row.own),
        spread_or_nothing(row.ratio),
        words::target(row.target, &row.unit),
        words::verdict(row),
        row.rounds.to_string(),
    ]
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    // A cell is one line, and bars part cells.
    let plain = |cell: &String| cell.replace(['\n', '\r'], " ").replace('|', "\\|");
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(plain).collect()).collect();
    let width = |cell: &str| cell.chars().count();
    let mut widths: Vec<usize> = head.iter().map(|cell| width(cell)).collect();
    for row in &rows {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = (*most).max(width(cell));
        }
    }
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    line(&head) + &line(&rule) + &body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_one_cell() {
        let text = table(&["what", "unit"], &[vec!["a | b\nc".to_owned(), "us".to_owned()]]);
        let last = text.lines().last().expect("a row");
        assert_eq!((text.lines().count(), last), (3, "| a \\| b c | us   |"));
    }
}
