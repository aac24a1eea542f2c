//! Job: compare any systems by any load, as a file says.
//! In: the options of `ringlet-bench compare`, a scenario. Out: a table on the terminal, the report
//! `compare-NAME`.
//! Invariant: all systems of a scenario run on the CPUs that it says and meet the same load; what was
//! run stands in the report as command lines.

mod kinds;
mod ready;
mod scenario;
mod template;
mod verdict;

use std::io;
use std::path::PathBuf;

use clap::Args;

/// What `ringlet-bench compare` can be asked for.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to compare: a TOML file; bench/scenarios has examples with explanations.
    scenario: PathBuf,
    /// Rounds in which the systems take turns, in the place of what the file says.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: Option<u64>,
    /// Run servers and load at the highest priority (nice -20, as root), against the noise of other
    /// processes.
    #[arg(long)]
    urgent: bool,
    /// Where the report is written.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

/// Measures and reports.
///
/// # Errors
/// A scenario that cannot be used, a system that cannot be started.
pub fn run(arguments: &Arguments) -> io::Result<()> {
    let problems =
        |problems| io::Error::other(format!("{}:\n{problems}", arguments.scenario.display()));
    let _scenario = scenario::load(&arguments.scenario).map_err(problems)?;
    Ok(())
}
