//! Job: what servers notice of the number of cores: checks and connections.
//! In: a [`Plan`]. Out: rows.
//! Invariant: the peer of these rows is ringlet-lb itself with one core, under the same load.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::delayed::Delayed;
use super::launch::{Kind, Launcher, SMALL};
use super::settings::{Balance, Mode, Service};
use super::{CONNECTIONS, Plan};
use crate::compare::{Target, at_turn};
use crate::report::Findings;
use crate::wrk::Wrk;

const CORES: [usize; 3] = [1, 2, 4];
const SERVERS: usize = 4;
const CHECK_INTERVAL_MS: u64 = 100;
/// Not more than one, but for the jitter of the checks and the chance in the load.
const NO_GROWTH: f64 = 1.05;

/// Counts checks and connections.
///
/// # Errors
/// A process that cannot be started or breaks off, an answer that is no success.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let mut checks = [Vec::new(), Vec::new(), Vec::new()];
    let mut connections = checks.clone();
    for round in 0..plan.rounds {
        for index in at_turn(round, CORES.len()) {
            let servers = Delayed::start(&[Duration::ZERO; SERVERS])?;
            let service = Service {
                mode: Mode::Http,
                balance: Balance::TwoChoices,
                servers: &servers.addresses,
                check_interval_ms: Some(CHECK_INTERVAL_MS),
            };
            let proxy = launcher.proxy(Kind::Ringlet { cores: CORES[index] }, &service)?;
            let wrk =
                |seconds| Wrk { path: SMALL, connections: CONNECTIONS, seconds, closes: false };
            // The first checks follow each other faster, and connections come to be.
            wrk(1).run(proxy.address())?;
            let before = servers.counts.checks.load(Ordering::Relaxed);
            let start = Instant::now();
            wrk(plan.check_seconds).run(proxy.address())?;
            let elapsed = start.elapsed().as_secs_f64();
            let made = servers.counts.checks.load(Ordering::Relaxed) - before;
            checks[index].push(made as f64 / elapsed);
            connections[index].push(servers.counts.open.load(Ordering::Relaxed) as f64);
        }
    }
    let mut findings = Findings::default();
    for (own, cores) in CORES.iter().enumerate().skip(1) {
        let peer = format!("{cores} cores (peer: 1 core)");
        let target = Target::Ratio(NO_GROWTH);
        let name = format!("checks of {SERVERS} servers every {CHECK_INTERVAL_MS} ms, {peer}");
        findings.row(&name, "per s", &checks[0], &checks[own], target);
        let name =
            format!("connections to {SERVERS} servers for {CONNECTIONS} busy clients, {peer}");
        findings.row(&name, "open", &connections[0], &connections[own], target);
    }
    Ok(findings)
}
