//! Job: `ringlet-bench report`: one page of what the suites wrote.
//! In: the names of suites. Out: report.html, report.md and report.json beside their files; the table of
//! targets and what got worse on standard output; baseline.json if it is asked for.
//! Invariant: the baseline that is compared with is the one that was there before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::{Suite, Whole, baseline, html, markdown, targets};

const BASELINE: &str = "baseline.json";

/// What `ringlet-bench report` can be asked for.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The suites that ran: what their files are called, without the ending.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Where their files are, and the report is written.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
    /// Keep this run: later reports say what got worse since.
    #[arg(long)]
    keep_baseline: bool,
}

/// What is read of a report that was kept.
#[derive(Deserialize)]
struct Kept {
    suites: Vec<Suite>,
}

/// Makes the report.
///
/// # Errors
/// A suite's file or the baseline is missing or malformed, or the report cannot be written.
pub fn run(arguments: &Arguments) -> io::Result<()> {
    let directory = &arguments.output;
    let read = |name: &String| Suite::read(directory, name);
    let suites = arguments.names.iter().map(read).collect::<io::Result<Vec<_>>>()?;
    let kept = baseline(directory)?;
    let rows = suites.iter().flat_map(|suite| &suite.report.rows);
    let whole = Whole {
        targets: targets::standings(rows),
        changes: kept.map(|kept| baseline::changes(&kept, &suites)),
        suites,
    };
    let json = serde_json::to_string_pretty(&whole).map_err(io::Error::other)? + "\n";
    fs::write(directory.join("report.html"), html::page(&whole))?;
    fs::write(directory.join("report.md"), markdown::whole(&whole))?;
    fs::write(directory.join("report.json"), &json)?;
    if arguments.keep_baseline {
        fs::write(directory.join(BASELINE), &json)?;
    }
    print!("{}", markdown::targets(&whole.targets));
    if let Some(changes) = &whole.changes {
        print!("{}", markdown::since(changes));
    }
    eprintln!("Written to {}/report.html, report.md and report.json.", directory.display());
    Ok(())
}

/// The suites of the run that was kept, if one was.
fn baseline(directory: &Path) -> io::Result<Option<Vec<Suite>>> {
    let path = directory.join(BASELINE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let kept: Kept = serde_json::from_str(&text).map_err(|error| {
        io::Error::other(format!("{}: {error}; delete it to do without", path.display()))
    })?;
    Ok(Some(kept.suites))
}
