//! Job: compare any systems by any load, as a file says.
//! In: the options of `ringlet-bench compare`, a scenario. Out: a table on the terminal, the report
//! `compare-NAME`.
//! Invariant: all systems of a scenario run on the CPUs that it says and meet the same load; what was
//! run stands in the report as command lines.

mod findings;
mod kinds;
mod loads;
mod plots;
mod ready;
mod rounds;
mod scenario;
mod syscalls;
mod systems;
mod template;
#[cfg(test)]
mod tests;
mod verdict;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use self::findings::{findings, table};
use self::plots::plots;
use self::rounds::{Method, measure};
use self::scenario::Scenario;
use self::syscalls::find_tool;
use crate::loader::Loader;
use crate::machine::Machine;
use crate::priority;
use crate::report::{Findings, Report};

/// How it is measured, for the head of the report.
const METHOD: &str = "each round starts each system anew; CPU per request: user and system time of \
                      /proc/PID/stat of all its processes over the load, warm-up included, by the \
                      answered requests; resident: VmRSS of all its processes after the load, where \
                      pages that they share count for each";

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
/// A scenario that cannot be used, a system that cannot be started, a report that cannot be written.
pub fn run(arguments: &Arguments) -> io::Result<()> {
    let file = arguments.scenario.display();
    let problems = |problems| io::Error::other(format!("{file}:\n{problems}"));
    let scenario = scenario::load(&arguments.scenario).map_err(problems)?;
    let refused = loads::refused(&scenario);
    if !refused.is_empty() {
        return Err(io::Error::other(format!("{file}:\n{}", refused.join("\n"))));
    }
    let name = report_name(&arguments.scenario);
    let _raised = if arguments.urgent { Some(priority::raise()?) } else { None };
    let loader = Loader::this(&scenario.load_cpus)?;
    let report = compare(&scenario, arguments.rounds.map(|rounds| rounds as usize), &loader)?;
    report.write(&arguments.output, &name)?;
    eprintln!("Written to {0}/{name}.md and {name}.json.", arguments.output.display());
    if report.plots.is_empty() {
        return Err(io::Error::other("nothing was measured; the notes say why"));
    }
    Ok(())
}

/// Measures, prints what was found and makes it a report.
fn compare(scenario: &Scenario, rounds: Option<usize>, loader: &Loader) -> io::Result<Report> {
    let (start, machine, tool) = (Instant::now(), Machine::now(), find_tool());
    let rounds = rounds.unwrap_or(scenario.rounds);
    let method = Method { rounds, loader, tool: tool.as_ref().ok().copied() };
    let mut tell =
        |what: &str| eprintln!("{what} ({:.0} s so far) ...", start.elapsed().as_secs_f64());
    let measured = measure(scenario, &method, &mut tell)?;
    println!("{}\n\n{}", scenario.title, table(&measured));
    // The verdicts stand in the table already; what casts a doubt on them must stand beside it.
    for note in &measured.notes {
        println!("- {note}");
    }
    let Findings { rows, mut notes, commands, .. } = findings(&measured);
    notes.push(match &tool {
        Ok(tool) => {
            format!("What is counted per request is by {}, in a round of its own.", tool.name())
        }
        Err(why) => format!("System calls are not counted: {why}."),
    });
    notes.push(verdict::RULE.to_owned());
    let mut setting = vec![machine.line()];
    setting.extend(measured.settings.iter().cloned());
    setting.push(format!("load on CPU {}", scenario.load_cpus));
    setting.push(METHOD.to_owned());
    setting.push(format!("duration {:.0} s", start.elapsed().as_secs_f64()));
    let (title, plots) = (scenario.title.clone(), plots(&measured));
    let how = "compare".to_owned();
    Ok(Report { title, machine, how, setting, rows, notes, plots, commands })
}

/// The name of the report's files: no name of a suite, whatever the scenario is called.
fn report_name(scenario: &Path) -> String {
    let stem = scenario.file_stem().unwrap_or_default().to_string_lossy();
    format!("compare-{stem}")
}
