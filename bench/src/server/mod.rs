//! Job: compare ringlet-server with redis-server.
//! In: the options of `ringlet-bench server`. Out: the report `server`.
//! Invariant: both servers run on the same CPUs and meet the same load.

mod gap;
mod generators;
mod latency;
mod scenario;
mod traffic;

use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::data_server::Launcher;
use crate::loader::Loader;
use crate::session::{CPU_PER_REQUEST, Common, Session, binary, version};
use scenario::{Bench, Plan, Scenario};

/// What `ringlet-bench server` can be asked for.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Only these scenarios; without it all, or with --quick those that are quick.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// The server under test; without it the one that the variable RINGLET_SERVER_BINARY names, or
    /// target/release/ringlet-server.
    #[arg(long)]
    server: Option<PathBuf>,
    /// The peer.
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
    /// Figure of INFO with the server's own longest loop pass in microseconds.
    #[arg(long, default_value = "loop_pass_max_us")]
    pause_field: String,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let common = &self.common;
        Plan {
            rounds: common.rounds(3, 5),
            long_rounds: common.rounds(3, 5),
            requests: common.pick(80_000, 150_000),
            latency_seconds: common.pick(2, 4),
            insert_keys: 5_000_000,
            expire_keys: 1_000_000,
            idle_seconds: common.pick(3, 5),
            offered_shares: common.pick(vec![0.5], vec![0.5, 0.8]),
            gap_kinds: common.pick(2, 3),
            pause_field: Some(self.pause_field.clone()),
        }
    }
}

/// Measures and reports.
///
/// # Errors
/// A server or a tool that cannot be started or breaks off.
pub fn compare(arguments: &Arguments) -> io::Result<()> {
    let common = &arguments.common;
    let built = "target/release/ringlet-server";
    let launcher = Launcher {
        redis: arguments.redis.clone(),
        ringlet: binary(arguments.server.as_ref(), "RINGLET_SERVER_BINARY", built),
        server_cpus: common.server_cpus.clone(),
    };
    let setting = vec![
        format!("under test: {}", version(&launcher.ringlet, "--version")?),
        format!("peer: {}", version(&launcher.redis, "--version")?),
        format!("servers on CPU {}, load on CPU {}", common.server_cpus, common.load_cpu),
        CPU_PER_REQUEST.to_owned(),
    ];
    let loader = Loader::this(&common.load_cpu.to_string())?;
    let bench = Bench { plan: arguments.plan(), launcher, loader };
    let scenarios = common.choose(&arguments.only, &Scenario::ALL, &Scenario::QUICK);
    let title = "ringlet-server beside redis-server";
    Session { common, name: "server", title, setting }
        .run(scenarios, |scenario| scenario::run(scenario, &bench))
}
