//! Job: keep what was measured and show it, for people and for programs.
//! In: rows, notes, plots and commands. Out: each suite as Markdown and JSON; all that ran together as
//! one page besides.
//! Invariant: what is written as JSON can be read back; pages are made of that and nothing else.

mod bars;
mod baseline;
pub mod command;
mod draw;
mod gauge;
mod html;
mod markdown;
pub mod plot;
pub mod runs;
mod scale;
pub mod targets;
pub mod words;

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::compare::Row;
use crate::machine::Machine;
use baseline::Changes;
use plot::Plot;
use targets::{Standing, Wanted};

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

/// What one suite found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was compared.
    pub title: String,
    /// Where it was measured.
    #[serde(default)]
    pub machine: Machine,
    /// What options changed about the figures, such as `--quick`.
    #[serde(default)]
    pub how: String,
    /// Versions, placement and method.
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
        markdown::section(self, "#")
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

/// A suite by the name of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// What it found.
    #[serde(flatten)]
    pub report: Report,
}

impl Suite {
    /// Reads what a suite wrote into `directory`.
    ///
    /// # Errors
    /// The file is missing, or is not what [`Report::write`] writes.
    pub fn read(directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(format!("{name}.json"));
        let explained = |error: &dyn std::fmt::Display, kind| {
            io::Error::new(kind, format!("{}: {error}", path.display()))
        };
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let why = format!("{error}; `ringlet-bench {name}` makes it");
                explained(&why, error.kind())
            }
            kind => explained(&error, kind),
        })?;
        let report = serde_json::from_str(&text)
            .map_err(|error| explained(&error, io::ErrorKind::InvalidData))?;
        Ok(Self { name: name.to_owned(), report })
    }
}

/// All suites that ran together.
#[derive(Clone, Debug, Serialize)]
pub struct Whole {
    /// How far they came.
    pub targets: Vec<Standing>,
    /// What differs from the run that was kept, if one was.
    pub changes: Option<Changes>,
    /// What they found.
    pub suites: Vec<Suite>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Target;

    fn report() -> Report {
        let figures = [10.0, 12.0];
        let rows = [
            Row::new("CPU", "us", &figures, &[8.0, 9.0], Target::Ratio(0.6)),
            Row::new("idle", "%", &[], &[0.25], Target::Figure(1.0)),
        ];
        Report {
            title: "T".to_owned(),
            machine: Machine::default(),
            how: "--quick".to_owned(),
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
        let read = Suite::read(&directory, "server").expect("what was written");
        assert_eq!(read.report, report());
        let missing = Suite::read(&directory, "lb").expect_err("no such file").to_string();
        assert!(missing.contains("lb.json"), "{missing}");
        fs::remove_dir_all(&directory).expect("removable");
    }
}
