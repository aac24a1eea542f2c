//! Preflight: does this machine let us run, and if not, why and what helps?
//!
//! Job: check limits, sysctls, seccomp and every io_uring feature that the net ring relies on.
//! In: the machine. Out: a [`Report`] with one row per check, and [`PreflightError`] for a failed
//! start.
//! Invariant: features are tried, never guessed from the kernel's version.

mod diagnosis;
mod limits;
mod probes;

use std::fmt;
use std::io;

use crate::ring::SetupMode;
pub use limits::open_files_max;

/// Why a net ring could not be made.
#[derive(Debug)]
pub struct PreflightError {
    what: &'static str,
    error: io::Error,
    advice: String,
}

impl PreflightError {
    pub(crate) fn ring(error: io::Error) -> Self {
        let advice = diagnosis::ring_advice(&error, &diagnosis::Surroundings::read());
        Self { what: "cannot set up an io_uring", error, advice }
    }

    pub(crate) fn buffers(error: io::Error) -> Self {
        let advice = diagnosis::buffers_advice(&error, &diagnosis::Surroundings::read());
        Self { what: "cannot register receive buffers with io_uring", error, advice }
    }

    /// The error of the system call.
    pub fn io_error(&self) -> &io::Error {
        &self.error
    }
}

impl fmt::Display for PreflightError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.what, self.error, self.advice)
    }
}

impl std::error::Error for PreflightError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// How one check ended.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It runs, but less well.
    Warning,
    /// It does not run.
    Failed,
}

/// One check.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was checked.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// Likely cause and remedy, in one line; empty if all is well.
    pub advice: String,
}

impl Row {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), advice: String::new() }
    }

    fn warning(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, found: found.into(), advice: advice.into() }
    }

    fn failed(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Failed, found: found.into(), advice: advice.into() }
    }
}

/// The outcome of all checks.
#[derive(Clone, Debug)]
pub struct Report {
    /// One row per check, in the order in which they were made.
    pub rows: Vec<Row>,
    /// The setup flags that the kernel accepted.
    pub mode: Option<SetupMode>,
}

impl Report {
    /// Whether nothing failed; warnings do not count.
    pub fn is_ok(&self) -> bool {
        self.rows.iter().all(|row| row.verdict != Verdict::Failed)
    }

    /// The rows that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.verdict == Verdict::Failed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for row in &self.rows {
            let verdict = match row.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "WARN",
                Verdict::Failed => "FAIL",
            };
            writeln!(f, "{verdict:<5}{:<width$}  {}", row.name, row.found)?;
            if !row.advice.is_empty() {
                writeln!(f, "{:<5}{:<width$}  -> {}", "", "", row.advice)?;
            }
        }
        Ok(())
    }
}

/// Runs all checks. Raises the soft limits of locked memory and of open files to the hard ones.
pub fn check() -> Report {
    let surroundings = diagnosis::Surroundings::read();
    let mut rows = surroundings.rows();
    rows.push(limits::locked_memory());
    rows.push(limits::open_files());
    let mode = probes::run(&surroundings, &mut rows);
    Report { rows, mode }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_passes() {
        let report = check();
        assert!(report.is_ok(), "\n{report}");
        assert!(report.mode.is_some());
        let names: Vec<_> = report.rows.iter().map(|row| row.name).collect();
        for name in ["kernel", "multishot receive", "multishot accept", "MSG_RING"] {
            assert!(names.contains(&name), "no row for {name} in {names:?}");
        }
    }

    #[test]
    fn a_failure_is_shown_with_its_remedy() {
        let report = Report {
            rows: vec![Row::ok("a", "fine"), Row::failed("long name", "EPERM", "do this")],
            mode: None,
        };
        assert!(!report.is_ok());
        assert_eq!(report.failures().count(), 1);
        let text = report.to_string();
        assert!(text.contains("FAIL long name  EPERM"), "{text}");
        assert!(text.contains("-> do this"), "{text}");
    }
}
