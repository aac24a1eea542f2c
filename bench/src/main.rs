//! Job: compare the Ringlet servers with their peers on this machine.
//! In: the command line. Out: a table on standard output, and the same as Markdown and JSON.
//! Invariant: a slow server is a finding, not a failure: the exit code is 0 whenever the
//! measurements could be taken.
#![forbid(unsafe_code)]

mod closed;
mod compare;
mod gap;
mod launch;
mod load;
mod priority;
mod process;
mod report;
mod resp;
mod scenario;
mod traffic;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::{Args, Parser, Subcommand};

use launch::Launcher;
use report::Report;
use scenario::{Findings, Plan, Scenario};

/// Side-by-side comparison of the Ringlet servers with their peers.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Compare ringlet-server with redis-server.
    Server(ServerArguments),
}

#[derive(Debug, Args)]
struct ServerArguments {
    /// Fewer rounds and smaller figures, for about three minutes instead of twelve.
    #[arg(long)]
    quick: bool,
    /// Rounds in which the servers take turns (5, or 3 with --quick).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..1000))]
    rounds: Option<u64>,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// The server under test; without it the one that the variable RINGLET_SERVER_BINARY names, or
    /// target/release/ringlet-server.
    #[arg(long)]
    server: Option<PathBuf>,
    /// The peer.
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
    /// CPUs of the servers, as taskset takes them.
    #[arg(long, default_value = "0")]
    server_cpus: String,
    /// CPU of the load generators.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// Run servers and load at the highest priority (nice -20, as root), against the noise of other
    /// processes.
    #[arg(long)]
    urgent: bool,
    /// Figure of INFO with the server's own longest loop pass in microseconds.
    #[arg(long, default_value = "loop_pass_max_us")]
    pause_field: String,
    /// Where server.md and server.json are written.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

impl ServerArguments {
    fn server_binary(&self) -> PathBuf {
        let named = || std::env::var_os("RINGLET_SERVER_BINARY").map(PathBuf::from);
        self.server.clone().or_else(named).unwrap_or_else(|| "target/release/ringlet-server".into())
    }

    fn plan(&self) -> Plan {
        let (rounds, long_rounds) = if self.quick { (3, 1) } else { (5, 5) };
        let pick = |quick: u64, full: u64| if self.quick { quick } else { full };
        let asked = self.rounds.map(|rounds| rounds as usize);
        Plan {
            rounds: asked.unwrap_or(rounds),
            long_rounds: asked.unwrap_or(long_rounds),
            requests: pick(80_000, 150_000),
            latency_seconds: pick(2, 4),
            memory_keys: 2_000_000,
            insert_keys: 5_000_000,
            expire_keys: 1_000_000,
            idle_seconds: pick(3, 5),
            offered_shares: [0.5, 0.8],
            pause_field: Some(self.pause_field.clone()),
        }
    }
}

fn main() -> ExitCode {
    let Subject::Server(arguments) = Arguments::parse().subject;
    match compare_servers(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringlet-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare_servers(arguments: &ServerArguments) -> io::Result<()> {
    let start = Instant::now();
    let launcher = Launcher {
        redis: arguments.redis.clone(),
        ringlet: arguments.server_binary(),
        server_cpus: arguments.server_cpus.clone(),
    };
    let mut setting = setting(arguments, &launcher)?;
    // Everything that this thread starts (redis-benchmark) inherits its CPU.
    if !core_affinity::set_for_current(core_affinity::CoreId { id: arguments.load_cpu }) {
        setting.push(format!("NOT pinned: CPU {} is not ours to use", arguments.load_cpu));
    }
    let raised = if arguments.urgent { Some(priority::raise()?) } else { None };
    if raised.is_some() {
        setting.push("servers and load at the highest priority (nice -20)".to_owned());
    }
    let plan = arguments.plan();
    let mut findings = Findings::default();
    for scenario in Scenario::ALL {
        if arguments.only.is_empty() || arguments.only.contains(&scenario) {
            eprintln!("{scenario:?} ({:.0} s so far) ...", start.elapsed().as_secs_f64());
            let found = scenario::run(scenario, &plan, &launcher)?;
            findings.rows.extend(found.rows);
            findings.notes.extend(found.notes);
        }
    }
    setting.push(format!("duration {:.0} s", start.elapsed().as_secs_f64()));
    let report = Report {
        title: "ringlet-server beside redis-server".to_owned(),
        setting,
        rows: findings.rows,
        notes: findings.notes,
    };
    report.write(&arguments.output, "server")?;
    println!("{}", report.markdown());
    eprintln!("Written to {}/server.md and server.json.", arguments.output.display());
    Ok(())
}

/// What a reader must know of the machine and the versions.
fn setting(arguments: &ServerArguments, launcher: &Launcher) -> io::Result<Vec<String>> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(vec![
        format!("under test: {}", version(&launcher.ringlet)?),
        format!("peer: {}", version(&launcher.redis)?),
        format!(
            "servers on CPU {}, load on CPU {}, of {} CPUs; kernel {}; load before the start {}",
            arguments.server_cpus,
            arguments.load_cpu,
            std::thread::available_parallelism()?,
            kernel.trim(),
            load.split(' ').next().unwrap_or_default()
        ),
        "CPU per request: user and system time of /proc/PID/stat over the measurement, all threads"
            .to_owned(),
    ])
}

fn version(binary: &Path) -> io::Result<String> {
    let output = Command::new(binary)
        .arg("--version")
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", binary.display())))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
