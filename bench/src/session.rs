//! Job: one run of the bench: take the CPUs, measure scenario after scenario, write the report.
//! In: what all comparisons are asked for, the scenarios of one. Out: the report.
//! Invariant: what a reader must know of the machine stands in the report before the figures.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Args;

use crate::machine::Machine;
use crate::priority;
use crate::report::{Findings, Report};

/// How suites measure CPU time per request, for the head of their reports.
pub const CPU_PER_REQUEST: &str =
    "CPU per request: user and system time of /proc/PID/stat over the measurement, all threads";

/// What every comparison can be asked for.
#[derive(Debug, Args)]
pub struct Common {
    /// Fewer rounds and smaller figures, for a minute or so.
    #[arg(long)]
    pub quick: bool,
    /// Rounds in which the servers take turns (mostly 5; with --quick 1 to 3).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..1000))]
    rounds: Option<u64>,
    /// CPUs of the servers, as taskset takes them.
    #[arg(long, default_value = "0")]
    pub server_cpus: String,
    /// CPU of the load generators.
    #[arg(long, default_value_t = 1)]
    pub load_cpu: usize,
    /// Run servers and load at the highest priority (nice -20, as root), against the noise of other
    /// processes.
    #[arg(long)]
    urgent: bool,
    /// Where the report is written.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

impl Common {
    /// The rounds that are asked for, or one of two defaults.
    pub fn rounds(&self, quick: usize, full: usize) -> usize {
        self.rounds.map_or(self.pick(quick, full), |rounds| rounds as usize)
    }

    /// The scenarios to measure, in the order of `all`: those that are asked for; or `quick` ones with
    /// `--quick`; or all.
    pub fn choose<S: Copy + PartialEq>(&self, only: &[S], all: &[S], quick: &[S]) -> Vec<S> {
        let wanted = match only {
            [] if self.quick => quick,
            [] => all,
            only => only,
        };
        all.iter().copied().filter(|scenario| wanted.contains(scenario)).collect()
    }

    /// What of it changes figures, so that only runs of one kind are compared.
    fn how(&self) -> String {
        let given = |is_given, name| if is_given { name } else { "" };
        let (quick, urgent) = (given(self.quick, "--quick, "), given(self.urgent, "--urgent, "));
        let Self { server_cpus, load_cpu, .. } = self;
        format!("{quick}{urgent}servers on CPU {server_cpus}, load on CPU {load_cpu}")
    }

    /// One of two figures.
    pub fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// A comparison.
pub struct Session<'a> {
    /// What all comparisons are asked for.
    pub common: &'a Common,
    /// How the files of the report are called.
    pub name: &'static str,
    /// The title of the report.
    pub title: &'static str,
    /// Versions and placement.
    pub setting: Vec<String>,
}

impl Session<'_> {
    /// Measures `scenarios` one after the other and writes the report.
    ///
    /// # Errors
    /// A server or a tool that cannot be started or breaks off; never a slow one.
    pub fn run<S: Debug + Copy>(
        self,
        scenarios: impl IntoIterator<Item = S>,
        mut measure: impl FnMut(S) -> io::Result<Findings>,
    ) -> io::Result<()> {
        let Self { common, name, title, mut setting } = self;
        let start = Instant::now();
        let machine = Machine::now();
        setting.push(machine.line());
        // Everything that this thread starts (generators of load) inherits its CPU.
        if !core_affinity::set_for_current(core_affinity::CoreId { id: common.load_cpu }) {
            setting.push(format!("NOT pinned: CPU {} is not ours to use", common.load_cpu));
        } else {
            let cpu = common.load_cpu;
            setting.push(format!("commands that name no CPU (without taskset) run on CPU {cpu}"));
        }
        let raised = if common.urgent { Some(priority::raise()?) } else { None };
        if raised.is_some() {
            setting.push("servers and load at the highest priority (nice -20)".to_owned());
        }
        let mut findings = Findings::default();
        for scenario in scenarios {
            eprintln!("{name}: {scenario:?} ({:.0} s so far) ...", start.elapsed().as_secs_f64());
            let found = measure(scenario)?;
            findings.rows.extend(found.rows);
            findings.notes.extend(found.notes);
            findings.plots.extend(found.plots);
            findings.commands.extend(found.commands);
        }
        setting.push(format!("duration {:.0} s", start.elapsed().as_secs_f64()));
        let Findings { rows, notes, plots, commands } = findings;
        let title = title.to_owned();
        let how = common.how();
        let report = Report { title, machine, how, setting, rows, notes, plots, commands };
        report.write(&common.output, name)?;
        println!("{}", report.markdown());
        eprintln!("Written to {0}/{name}.md and {name}.json.", common.output.display());
        Ok(())
    }
}

/// The binary under test: the named one, or that of the environment, or that of a release build.
pub fn binary(named: Option<&PathBuf>, variable: &str, built: &str) -> PathBuf {
    let from_environment = || std::env::var_os(variable).map(PathBuf::from);
    named.cloned().or_else(from_environment).unwrap_or_else(|| built.into())
}

/// The first line that a program says about its version.
///
/// # Errors
/// The program is missing.
pub fn version(binary: &Path, option: &str) -> io::Result<String> {
    let output = Command::new(binary)
        .arg(option)
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", binary.display())))?;
    // nginx says it on standard error.
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned())
}
