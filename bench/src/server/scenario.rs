//! Job: the measurements of the data server beside redis-server.
//! In: a [`Plan`]. Out: rows of the report, and notes that a reader needs to judge them.
//! Invariant: all servers of a scenario take turns within each round, so that the noise of a shared
//! machine meets all of them alike; what a server did is counted for its process as a whole.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::gap::{self, Disturbance};
use super::traffic::{KEYS, VALUE_BYTES, fill_small, get_or_set};
use crate::compare::{Spread, Target};
use crate::data_server::{Kind, Launcher, Server};
use crate::load::{self, Offer};
use crate::process;
use crate::redis_benchmark::Closed;
use crate::report::Findings;
use crate::report::plot::beside;
use crate::report::targets::{
    SERVER_PIPELINED, SERVER_PIPELINED_TWO, SERVER_PLAIN, SERVER_PLAIN_TWO,
};

const CLIENTS: usize = 50;
/// What a freshly started server gets to come to rest.
pub const SETTLE: Duration = Duration::from_secs(1);

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rounds in which the servers take turns.
    pub rounds: usize,
    /// Rounds of the scenarios that insert millions of keys.
    pub long_rounds: usize,
    /// Requests of one closed-loop measurement without pipelining; ten times at depth 16.
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
    pub offered_shares: [f64; 2],
    /// A field of INFO in which the server under test tells its own longest loop pass.
    pub pause_field: Option<String>,
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
}

impl Scenario {
    /// All, in the order of the report.
    pub const ALL: [Self; 5] = [Self::Cpu, Self::Latency, Self::Insert, Self::Expire, Self::Idle];
    /// What `--quick` measures: all that the table of targets asks for, and what is quick.
    pub const QUICK: [Self; 4] = [Self::Cpu, Self::Latency, Self::Insert, Self::Idle];
}

/// How a row names the server with that many shards.
pub fn shards(count: usize) -> &'static str {
    if count == 1 { "1 shard" } else { "2 shards" }
}

/// The server under test on one core.
pub const ONE_SHARD: Kind = Kind::Ringlet { shards: 1 };
/// The server under test on two cores, which share the CPU of the servers.
pub const TWO_SHARDS: Kind = Kind::Ringlet { shards: 2 };

/// Measures one scenario.
///
/// # Errors
/// A server or a tool that cannot be started or breaks off; never a slow one.
pub fn run(scenario: Scenario, plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    match scenario {
        Scenario::Cpu => cpu(plan, launcher),
        Scenario::Latency => latency(plan, launcher),
        Scenario::Insert => gap::run(plan, launcher, Disturbance::Insert),
        Scenario::Expire => gap::run(plan, launcher, Disturbance::Expire),
        Scenario::Idle => idle(plan, launcher),
    }
}

/// CPU time per request in microseconds, closed loop.
fn cpu(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let servers = [Kind::Redis, ONE_SHARD, TWO_SHARDS]
        .map(|kind| launcher.start(kind))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    for server in &servers {
        fill_small(server)?;
    }
    let mut findings = Findings::default();
    let goals =
        [(1, [SERVER_PLAIN, SERVER_PLAIN_TWO]), (16, [SERVER_PIPELINED, SERVER_PIPELINED_TWO])];
    for (pipeline, goals) in goals {
        for test in ["get", "set"] {
            let closed = Closed {
                asked: &["-t", test],
                clients: CLIENTS,
                pipeline,
                requests: if pipeline == 1 { plan.requests } else { plan.requests * 8 },
                value_bytes: VALUE_BYTES,
                keys: KEYS,
            };
            let mut figures = vec![Vec::new(); servers.len()];
            let mut throughput = vec![Vec::new(); servers.len()];
            for round in 0..plan.rounds {
                // Who begins changes from round to round.
                for turn in 0..servers.len() {
                    let index = (round + turn) % servers.len();
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

/// Latency percentiles at a rate that is the same for both.
fn latency(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let kinds = [Kind::Redis, ONE_SHARD, TWO_SHARDS];
    let servers =
        kinds.map(|kind| launcher.start(kind)).into_iter().collect::<Result<Vec<_>, _>>()?;
    for server in &servers {
        fill_small(server)?;
    }
    let closed = Closed {
        asked: &["-t", "get"],
        clients: CLIENTS,
        pipeline: 1,
        requests: plan.requests,
        value_bytes: VALUE_BYTES,
        keys: KEYS,
    };
    let most = closed.run(servers[0].address)?;
    let mut findings = Findings::default();
    for share in plan.offered_shares {
        latency_at((most * share).round(), share, plan, &servers, &mut findings)?;
    }
    Ok(findings)
}

/// Latency percentiles at `rate` requests per second, which is that `share` of the peer's most.
fn latency_at(
    rate: f64,
    share: f64,
    plan: &Plan,
    servers: &[Server],
    findings: &mut Findings,
) -> io::Result<()> {
    const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];
    let mut figures = vec![vec![Vec::new(); QUANTILES.len()]; servers.len()];
    let mut lateness = load::histogram();
    for round in 0..plan.rounds {
        for turn in 0..servers.len() {
            let index = (round + turn) % servers.len();
            let mut encode = get_or_set;
            let offer =
                Offer { rate, connections: CLIENTS, random_gaps: true, encode: &mut encode };
            let time = Duration::from_secs(plan.latency_seconds);
            let outcome = load::run(servers[index].destination(), time, Some(offer), None)?;
            outcome.refuse_errors()?;
            lateness.add(&outcome.lateness).map_err(io::Error::other)?;
            for (figures, (_, quantile)) in figures[index].iter_mut().zip(QUANTILES) {
                figures.push(outcome.latency.value_at_quantile(quantile) as f64 / 1000.0);
            }
        }
    }
    for own in 1..servers.len() {
        for (at, (name, _)) in QUANTILES.iter().enumerate() {
            let target = if own == 1 && *name == "p99" { Target::Ratio(1.0) } else { Target::None };
            let name = format!("latency {name} at {rate:.0} requests/s, {}", shards(own));
            findings.row(&name, "us", &figures[0][at], &figures[own][at], target);
        }
    }
    findings.notes.push(format!(
        "Latency: open loop, half GET and half SET over {CLIENTS} connections at random (exponential) \
         gaps, {:.0} % of what Redis reached in a closed loop; counted from the intended time of \
         sending. The generator itself was late by {:.0} us at p50 and {:.0} us at p99.",
        share * 100.0,
        lateness.value_at_quantile(0.5) as f64 / 1000.0,
        lateness.value_at_quantile(0.99) as f64 / 1000.0,
    ));
    Ok(())
}

/// CPU time of servers that nobody asks anything, in percent of one CPU.
fn idle(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let servers = [Kind::Redis, ONE_SHARD, TWO_SHARDS]
        .map(|kind| launcher.start(kind))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
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
    let mut findings = Findings::default();
    for own in [1, 2] {
        let name = format!("idle server, {}, over {} s", shards(own), plan.idle_seconds);
        findings.row(&name, "% of a CPU", &figures[0], &figures[own], Target::Figure(1.0));
    }
    Ok(findings)
}
