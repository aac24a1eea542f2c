//! Job: the measurements of the data server beside redis-server.
//! In: a [`Bench`]. Out: rows of the report, and notes that a reader needs to judge them.
//! Invariant: all servers of a scenario take turns within each round, so that the noise of a shared
//! machine meets all of them alike; what a server did is counted for its process as a whole.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::gap::{self, Disturbance};
use super::traffic::{KEYS, VALUE_BYTES, fill_small};
use super::{generators, latency};
use crate::compare::{Spread, Target, at_turn};
use crate::data_server::{Kind, Launcher, Server};
use crate::loader::Loader;
use crate::process;
use crate::redis_benchmark::Closed;
use crate::report::Findings;
use crate::report::plot::beside;
use crate::report::targets::{
    SERVER_PIPELINED, SERVER_PIPELINED_TWO, SERVER_PLAIN, SERVER_PLAIN_TWO,
};

/// Connections of all loads but those that fill or probe.
pub const CLIENTS: usize = 50;
/// What a freshly started server gets to come to rest.
pub const SETTLE: Duration = Duration::from_secs(1);

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rounds in which the servers take turns.
    pub rounds: usize,
    /// Rounds of the scenarios that insert millions of keys.
    pub long_rounds: usize,
    /// Requests of one closed-loop measurement without pipelining; eight times as many at depth 16.
    pub requests: u64,
    /// Seconds of one latency measurement.
    pub latency_seconds: u64,
    /// Keys that are inserted while another client is watched.
    pub insert_keys: u64,
    /// Keys that expire within one second.
    pub expire_keys: u64,
    /// Seconds of idling in each round.
    pub idle_seconds: u64,
    /// Shares of Redis's closed-loop throughput that are offered to all for latencies.
    pub offered_shares: Vec<f64>,
    /// Servers whose gaps are watched: the first of [`KINDS`].
    pub gap_kinds: usize,
    /// A field of INFO in which the server under test tells its own longest loop pass.
    pub pause_field: Option<String>,
}

impl Plan {
    /// Requests of one closed-loop measurement at that depth.
    pub fn requests_at(&self, pipeline: usize) -> u64 {
        if pipeline == 1 { self.requests } else { self.requests * 8 }
    }
}

/// What the scenarios measure with.
#[derive(Clone, Debug)]
pub struct Bench {
    /// How much is measured.
    pub plan: Plan,
    /// Starts the servers.
    pub launcher: Launcher,
    /// Makes load.
    pub loader: Loader,
}

impl Bench {
    /// Starts servers, and tells their command lines.
    ///
    /// # Errors
    /// One cannot be started.
    pub fn start(&self, kinds: &[Kind], findings: &mut Findings) -> io::Result<Vec<Server>> {
        let servers =
            kinds.iter().map(|&kind| self.launcher.start(kind)).collect::<Result<Vec<_>, _>>()?;
        findings.commands.extend(servers.iter().map(Server::command));
        Ok(servers)
    }
}

/// The scenarios, by the names that `--only` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// CPU time per request.
    Cpu,
    /// Latency at equal offered load.
    Latency,
    /// Longest gap while keys are inserted.
    Insert,
    /// Longest gap while keys expire.
    Expire,
    /// CPU of an idle server.
    Idle,
    /// The load generator beside redis-benchmark.
    Generators,
}

impl Scenario {
    /// All, in the order of the report.
    pub const ALL: [Self; 6] =
        [Self::Cpu, Self::Latency, Self::Insert, Self::Expire, Self::Idle, Self::Generators];
    /// What `--quick` measures: all that the table of targets asks for, and what is quick.
    pub const QUICK: [Self; 5] =
        [Self::Cpu, Self::Latency, Self::Insert, Self::Idle, Self::Generators];
}

/// How a row names the server with that many shards.
pub fn shards(count: usize) -> &'static str {
    if count == 1 { "1 shard" } else { "2 shards" }
}

/// The server under test on one core.
pub const ONE_SHARD: Kind = Kind::Ringlet { shards: 1 };
/// The server under test on two cores, which share the CPU of the servers.
pub const TWO_SHARDS: Kind = Kind::Ringlet { shards: 2 };
/// The servers in the order of all figures: the peer, then those under test.
pub const KINDS: [Kind; 3] = [Kind::Redis, ONE_SHARD, TWO_SHARDS];
/// Their names in plots and notes.
pub const SYSTEMS: [&str; 3] = ["Redis", "Ringlet, 1 shard", "Ringlet, 2 shards"];

/// Measures one scenario.
///
/// # Errors
/// A server or a tool that cannot be started or breaks off; never a slow one.
pub fn run(scenario: Scenario, bench: &Bench) -> io::Result<Findings> {
    match scenario {
        Scenario::Cpu => cpu(bench),
        Scenario::Latency => latency::run(bench),
        Scenario::Insert => gap::run(bench, Disturbance::Insert),
        Scenario::Expire => gap::run(bench, Disturbance::Expire),
        Scenario::Idle => idle(bench),
        Scenario::Generators => generators::run(bench),
    }
}

/// CPU time per request in microseconds, closed loop.
fn cpu(bench: &Bench) -> io::Result<Findings> {
    let mut findings = Findings::default();
    let servers = bench.start(&KINDS, &mut findings)?;
    for server in &servers {
        findings.commands.push(fill_small(&bench.loader, server)?);
    }
    let goals =
        [(1, [SERVER_PLAIN, SERVER_PLAIN_TWO]), (16, [SERVER_PIPELINED, SERVER_PIPELINED_TWO])];
    for (pipeline, goals) in goals {
        for test in ["get", "set"] {
            let closed = Closed {
                asked: &["-t", test],
                clients: CLIENTS,
                pipeline,
                requests: bench.plan.requests_at(pipeline),
                value_bytes: VALUE_BYTES,
                keys: KEYS,
            };
            let mut figures = vec![Vec::new(); servers.len()];
            let mut throughput = vec![Vec::new(); servers.len()];
            findings.commands.extend(servers.iter().map(|server| closed.line(server.address)));
            for round in 0..bench.plan.rounds {
                for index in at_turn(round, servers.len()) {
                    let pid = servers[index].pid();
                    let before = process::cpu_time(pid)?;
                    throughput[index].push(closed.run(servers[index].address)? / 1000.0);
                    let used = process::cpu_time(pid)?.since(before).total();
                    figures[index].push(used.as_secs_f64() * 1e6 / closed.requests as f64);
                }
            }
            let upper = test.to_uppercase();
            for (own, goal) in [1, 2].into_iter().zip(goals) {
                let name = format!(
                    "CPU per {upper}, {CLIENTS} clients, pipeline {pipeline}, {}",
                    shards(own)
                );
                findings.row(&name, "us", &figures[0], &figures[own], goal.must());
            }
            let medians: Vec<String> = throughput
                .iter()
                .filter_map(|figures| Spread::of(figures))
                .map(|spread| format!("{:.0}", spread.median))
                .collect();
            findings.notes.push(format!(
                "{upper} at pipeline {pipeline}, thousands of requests per second as redis-benchmark \
                 saw them (Redis, 1 shard, 2 shards): {}.",
                medians.join(", ")
            ));
        }
    }
    findings.plots.push(beside("CPU per request", &findings.rows));
    Ok(findings)
}

/// CPU time of servers that nobody asks anything, in percent of one CPU.
fn idle(bench: &Bench) -> io::Result<Findings> {
    let (plan, mut findings) = (&bench.plan, Findings::default());
    let servers = bench.start(&KINDS, &mut findings)?;
    thread::sleep(SETTLE);
    let mut figures = vec![Vec::new(); servers.len()];
    for _ in 0..plan.rounds {
        let before =
            servers.iter().map(|s| process::cpu_time(s.pid())).collect::<io::Result<Vec<_>>>()?;
        let start = Instant::now();
        thread::sleep(Duration::from_secs(plan.idle_seconds));
        let elapsed = start.elapsed().as_secs_f64();
        for ((server, before), figures) in servers.iter().zip(before).zip(&mut figures) {
            let used = process::cpu_time(server.pid())?.since(before).total().as_secs_f64();
            figures.push(used / elapsed * 100.0);
        }
    }
    for own in [1, 2] {
        let name = format!("idle server, {}, over {} s", shards(own), plan.idle_seconds);
        findings.row(&name, "% of a CPU", &figures[0], &figures[own], Target::Figure(1.0));
    }
    Ok(findings)
}
