//! Job: compare ringlet-lb with HAProxy and nginx.
//! In: the options of `ringlet-bench lb`. Out: the report `lb`.
//! Invariant: each proxy has one CPU, the same servers and the same load; servers and load share the
//! other CPU.

mod cores;
mod cpu;
mod delayed;
mod idle;
mod latency;
mod launch;
mod settings;
mod slow;

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::report::Findings;
use crate::session::{CPU_PER_REQUEST, Common, Session, binary, version};
use launch::{Kind, Launcher};

/// Connections of closed-loop load.
const CONNECTIONS: usize = 50;
/// Connections of open-loop load: so many that hardly any request finds its connection in use.
const OFFERED_CONNECTIONS: usize = 200;

/// What `ringlet-bench lb` can be asked for.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Only these scenarios; without it all, or with --quick those that are quick.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// The balancer under test; without it the one that the variable RINGLET_LB_BINARY names, or
    /// target/release/ringlet-lb.
    #[arg(long)]
    lb: Option<PathBuf>,
    /// The peer.
    #[arg(long, default_value = "haproxy")]
    haproxy: PathBuf,
    /// The servers, and another peer.
    #[arg(long, default_value = "nginx")]
    nginx: PathBuf,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Rounds in which the proxies take turns.
    rounds: usize,
    /// Seconds of one measurement of CPU time.
    cpu_seconds: u64,
    /// Rounds of the measurement of latency.
    latency_rounds: usize,
    /// Seconds of one measurement of latency.
    latency_seconds: u64,
    /// Idle connections whose memory is measured.
    idle_connections: usize,
    /// Seconds in which checks are counted.
    check_seconds: u64,
    /// Only HAProxy and ringlet-lb with one core, of which the table of targets speaks.
    has_targets_only: bool,
}

impl Plan {
    /// Whether a proxy is measured.
    fn takes(&self, kind: Kind) -> bool {
        !self.has_targets_only || matches!(kind, Kind::Haproxy | Kind::Ringlet { cores: 1 })
    }
}

/// The scenarios, by the names that `--only` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Scenario {
    /// CPU time per request.
    Cpu,
    /// Added latency.
    Latency,
    /// Memory of idle connections.
    Idle,
    /// One slow server of four.
    Slow,
    /// What grows with the number of cores.
    Cores,
}

impl Scenario {
    /// All, in the order of the report.
    const ALL: [Self; 5] = [Self::Cpu, Self::Latency, Self::Idle, Self::Slow, Self::Cores];
    /// What `--quick` measures: all that the table of targets asks for, and what is quick.
    const QUICK: [Self; 2] = [Self::Cpu, Self::Latency];

    fn measure(self, plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
        match self {
            Self::Cpu => cpu::run(plan, launcher),
            Self::Latency => latency::run(plan, launcher),
            Self::Idle => idle::run(plan, launcher),
            Self::Slow => slow::run(plan, launcher),
            Self::Cores => cores::run(plan, launcher),
        }
    }
}

/// Measures and reports.
///
/// # Errors
/// A process or a tool that cannot be started or breaks off.
pub fn compare(arguments: &Arguments) -> io::Result<()> {
    let common = &arguments.common;
    let plan = Plan {
        rounds: common.rounds(3, 5),
        cpu_seconds: common.pick(1, 4),
        latency_rounds: common.rounds(2, 5),
        latency_seconds: common.pick(2, 4),
        idle_connections: 10_000,
        check_seconds: common.pick(2, 4),
        has_targets_only: common.quick,
    };
    let named = arguments.lb.as_ref();
    let ringlet = binary(named, "RINGLET_LB_BINARY", "target/release/ringlet-lb");
    let peers = [arguments.haproxy.clone(), arguments.nginx.clone()];
    let setting = vec![
        format!("under test: {}", version(&ringlet, "--version")?),
        format!("peer: {}", version(&peers[0], "-v")?),
        format!("servers, and a proxy for comparison: {}", version(&peers[1], "-v")?),
        format!(
            "load: {} (closed loop) and ringlet-bench load (open loop)",
            version(Path::new("wrk"), "-v")?
        ),
        format!(
            "each proxy on CPU {} with one thread, which cores beyond the first share; servers and \
             load on CPU {}",
            common.server_cpus, common.load_cpu
        ),
        CPU_PER_REQUEST.to_owned(),
    ];
    let cpus = [common.server_cpus.as_str(), &common.load_cpu.to_string()];
    let launcher = Launcher::new(ringlet, peers, cpus[0], cpus[1])?;
    let scenarios = common.choose(&arguments.only, &Scenario::ALL, &Scenario::QUICK);
    let title = "ringlet-lb beside HAProxy and nginx";
    Session { common, name: "lb", title, setting }
        .run(scenarios, |scenario| scenario.measure(&plan, &launcher))
}
