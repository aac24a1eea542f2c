//! Job: compare ringlet-limiter with redis-server and nginx, and hold it against its bounds.
//! In: the options of `ringlet-bench limiter`. Out: the report `limiter`.
//! Invariant: the limiter, its peers and stores have one CPU, the load another, which the library's
//! own figures are taken on too.

mod accuracy;
mod auth;
mod grpc;
mod h2load;
mod launch;
mod ledger;
mod library;
mod settings;
mod throttle;
mod traffic;

use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::data_server;
use crate::loader::Loader;
use crate::process;
use crate::report::Findings;
use crate::session::{CPU_PER_REQUEST, Common, Session, binary, version};
use launch::Launcher;

/// Connections of closed-loop load.
const CONNECTIONS: usize = 50;
/// The stores.
const STORES: [data_server::Kind; 2] =
    [data_server::Kind::Redis, data_server::Kind::Ringlet { shards: 1 }];

/// What `ringlet-bench limiter` can be asked for.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Only these scenarios; without it all, or with --quick those that are quick.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// The limiter under test; without it the one that the variable RINGLET_LIMITER_BINARY names, or
    /// target/release/ringlet-limiter.
    #[arg(long)]
    limiter: Option<PathBuf>,
    /// A store; without it the one that the variable RINGLET_SERVER_BINARY names, or
    /// target/release/ringlet-server.
    #[arg(long)]
    server: Option<PathBuf>,
    /// The peer for RESP, and another store.
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
    /// The peer for HTTP.
    #[arg(long, default_value = "nginx")]
    nginx: PathBuf,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Rounds in which those that are compared take turns.
    rounds: usize,
    /// Rounds of what is held against a bound only, and takes long.
    long_rounds: usize,
    /// Decisions of one measurement of the library.
    library_decisions: u64,
    /// Decisions of one measurement by RESP.
    decisions: u64,
    /// Calls of one measurement by gRPC.
    calls: u64,
    /// Seconds of one measurement by HTTP, or of the store's traffic.
    seconds: u64,
    /// Seconds in which admissions are counted.
    windows: u64,
}

/// The scenarios, by the names that `--only` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Scenario {
    /// Decisions in process, and memory.
    Library,
    /// CPU time per decision beside a script in Redis.
    Resp,
    /// CPU time per request beside nginx.
    Http,
    /// CPU time per call.
    Grpc,
    /// What the store is asked at growing load.
    Store,
    /// Admissions of two nodes against the limit.
    Accuracy,
}

impl Scenario {
    /// All, in the order of the report. The library first: memory that is measured is fresh.
    const ALL: [Self; 6] =
        [Self::Library, Self::Resp, Self::Http, Self::Grpc, Self::Store, Self::Accuracy];
    /// What `--quick` measures: all that the table of targets asks for, and what is quick.
    const QUICK: [Self; 4] = [Self::Library, Self::Resp, Self::Http, Self::Grpc];

    fn measure(self, plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
        match self {
            Self::Library => library::run(plan),
            Self::Resp => throttle::run(plan, launcher),
            Self::Http => auth::run(plan, launcher),
            Self::Grpc => grpc::run(plan, launcher),
            Self::Store => traffic::run(plan, launcher),
            Self::Accuracy => accuracy::run(plan, launcher),
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
        rounds: common.rounds(2, 5),
        long_rounds: common.rounds(1, 3),
        library_decisions: common.pick(4_000_000, 20_000_000),
        decisions: common.pick(400_000, 1_600_000),
        calls: common.pick(50_000, 150_000),
        seconds: common.pick(1, 4),
        windows: common.pick(10, 20),
    };
    let built = |name| format!("target/release/{name}");
    let named =
        |path: &Option<PathBuf>, variable, name| binary(path.as_ref(), variable, &built(name));
    let limiter = named(&arguments.limiter, "RINGLET_LIMITER_BINARY", "ringlet-limiter");
    let data = data_server::Launcher {
        redis: arguments.redis.clone(),
        ringlet: named(&arguments.server, "RINGLET_SERVER_BINARY", "ringlet-server"),
        server_cpus: common.server_cpus.clone(),
    };
    let setting = vec![
        format!("under test: {}", version(&limiter, "--version")?),
        format!("peer for RESP, and a store: {}", version(&data.redis, "--version")?),
        format!("another store: {}", version(&data.ringlet, "--version")?),
        format!("peer for HTTP: {}", version(&arguments.nginx, "-v")?),
        format!(
            "limiters, peers and stores on CPU {}, load and the library on CPU {}",
            common.server_cpus, common.load_cpu
        ),
        CPU_PER_REQUEST.to_owned(),
    ];
    let loader = Loader::this(&common.load_cpu.to_string())?;
    let launcher = Launcher::new(limiter, arguments.nginx.clone(), data, loader)?;
    let scenarios = common.choose(&arguments.only, &Scenario::ALL, &Scenario::QUICK);
    let title = "ringlet-limiter beside redis-server and nginx";
    Session { common, name: "limiter", title, setting }
        .run(scenarios, |scenario| scenario.measure(&plan, &launcher))
}

/// What a process spends on each of the requests that `load` makes it answer: microseconds of CPU time.
fn cpu_us(pid: u32, load: impl FnOnce() -> io::Result<f64>) -> io::Result<f64> {
    let before = process::cpu_time(pid)?;
    let requests = load()?;
    Ok(process::cpu_time(pid)?.since(before).total().as_secs_f64() * 1e6 / requests)
}

/// How rows call a store.
fn store_name(kind: data_server::Kind) -> &'static str {
    match kind {
        data_server::Kind::Redis => "redis-server",
        data_server::Kind::Ringlet { .. } => "ringlet-server",
    }
}
