//! Job: show what was measured, for people and for programs.
//! In: rows and notes. Out: Markdown (also for the terminal) and JSON.
//! Invariant: every row shows both figures, their spread, the ratio, the target and the verdict.

pub mod plot;
pub mod targets;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::compare::{Row, Spread, Target, Verdict};
use plot::Plot;
use targets::Wanted;

/// What a scenario found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Lines of the table.
    pub rows: Vec<Row>,
    /// Sentences below it.
    pub notes: Vec<String>,
    /// Pictures.
    pub plots: Vec<Plot>,
    /// Command lines that repeat what was measured.
    pub commands: Vec<String>,
}

impl Findings {
    /// Adds a line to the table, unless nothing was measured.
    pub fn row(
        &mut self,
        name: &str,
        unit: &str,
        peer: &[f64],
        own: &[f64],
        wanted: impl Into<Wanted>,
    ) {
        let Wanted { target, goal } = wanted.into();
        let row = Row::new(name, unit, peer, own, target);
        self.rows.extend(row.map(|row| Row { goal: goal.map(str::to_owned), ..row }));
    }
}

/// A whole comparison.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was compared.
    pub title: String,
    /// The machine and the versions.
    pub setting: Vec<String>,
    /// The table.
    pub rows: Vec<Row>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Pictures.
    #[serde(default)]
    pub plots: Vec<Plot>,
    /// Command lines that repeat what was measured.
    #[serde(default)]
    pub commands: Vec<String>,
}

impl Report {
    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n", self.title);
        for line in &self.setting {
            let _ = writeln!(text, "- {line}");
        }
        text += "\nMedians of alternating rounds (least to greatest); a ratio is the measured \
                 figure over the peer's of the same round. Lower is better.\n\n";
        let head = ["what", "unit", "peer", "measured", "ratio", "target", "verdict", "rounds"];
        let cells: Vec<Vec<String>> = self.rows.iter().map(cells).collect();
        text += &table(&head.map(str::to_owned), &cells);
        text.push('\n');
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    /// Writes `NAME.md` and `NAME.json` into `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, directory: &Path, name: &str) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join(format!("{name}.md")), self.markdown())?;
        let json = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        fs::write(directory.join(format!("{name}.json")), json + "\n")
    }
}

fn cells(row: &Row) -> Vec<String> {
    vec![
        row.name.clone(),
        row.unit.clone(),
        row.peer.map_or_else(|| "-".to_owned(), spread),
        spread(row.own),
        row.ratio.map_or_else(|| "-".to_owned(), spread),
        match row.target {
            Target::Ratio(most) => format!("ratio {most:.2}"),
            Target::Figure(most) => format!("{most} {}", row.unit),
            Target::None => "-".to_owned(),
        },
        match row.verdict {
            Verdict::Reached => "reached".to_owned(),
            Verdict::ShortBy(percent) if percent >= 100.0 => {
                format!("SHORT, {:.1} times the target", 1.0 + percent / 100.0)
            }
            Verdict::ShortBy(percent) => format!("SHORT by {percent:.1} %"),
            Verdict::Informs => "-".to_owned(),
        },
        row.rounds.to_string(),
    ]
}

/// The median, with the spread if there is any.
fn spread(figures: Spread) -> String {
    let median = number(figures.median);
    let (min, max) = (number(figures.min), number(figures.max));
    if min == max { median } else { format!("{median} ({min} to {max})") }
}

/// Three significant digits or so.
fn number(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{figure:.2}"),
        size if size < 100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(String::len).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    line(head) + &line(&rule) + &body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let figures = [10.0, 12.0];
        let rows = [
            Row::new("CPU", "us", &figures, &[8.0, 9.0], Target::Ratio(0.6)),
            Row::new("idle", "%", &[], &[0.25], Target::Figure(1.0)),
        ];
        Report {
            title: "T".to_owned(),
            setting: vec!["two CPUs".to_owned()],
            rows: rows.into_iter().flatten().collect(),
            notes: vec!["a note".to_owned()],
            plots: Vec::new(),
            commands: Vec::new(),
        }
    }

    #[test]
    fn every_row_shows_figures_target_and_verdict() {
        let text = report().markdown();
        let row = text.lines().find(|line| line.starts_with("| CPU")).expect("the row");
        for part in ["11.0 (10.0 to 12.0)", "8.50 (8.00 to 9.00)", "0.78", "ratio 0.60", "SHORT by"]
        {
            assert!(row.contains(part), "{part} is not in {row}");
        }
        assert!(text.contains("reached") && text.contains("- a note"));
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert!(table.windows(2).all(|pair| pair[0].len() == pair[1].len()), "aligned");
    }

    #[test]
    fn both_files_are_written() {
        let directory = std::env::temp_dir().join(format!("report-{}", std::process::id()));
        report().write(&directory, "server").expect("writable");
        let json = fs::read_to_string(directory.join("server.json")).expect("there");
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["rows"][1]["verdict"], "reached");
        assert!(directory.join("server.md").exists());
        fs::remove_dir_all(&directory).expect("removable");
    }
}
