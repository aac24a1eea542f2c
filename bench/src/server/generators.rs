//! Job: the load generator beside redis-benchmark, on the same server.
//! In: a [`Bench`]. Out: rows and a note.
//! Invariant: what both took is counted in the same way, for their whole processes; they take turns
//! within each round.

use std::io;

use super::scenario::{Bench, CLIENTS};
use super::traffic::{KEYS, VALUE_BYTES, fill_small, get_closed};
use crate::compare::{Spread, Target, at_turn};
use crate::data_server::{Kind, Server};
use crate::process;
use crate::redis_benchmark::Closed;
use crate::report::Findings;
use crate::report::targets::Wanted;

/// By how much the throughput that both see may differ.
const AGREEMENT: f64 = 0.15;

/// One way to make the load: its figures round by round.
#[derive(Default)]
struct Way {
    /// CPU time of the generator for a request.
    cpu_us: Vec<f64>,
    /// From one request of the server to the next, as the generator saw it.
    gap_us: Vec<f64>,
}

/// Measures at both depths.
///
/// # Errors
/// A server or a tool that cannot be started or breaks off.
pub fn run(bench: &Bench) -> io::Result<Findings> {
    let mut findings = Findings::default();
    let servers = bench.start(&[Kind::Redis], &mut findings)?;
    fill_small(&bench.loader, &servers[0])?;
    for pipeline in [1, 16] {
        at(pipeline, bench, &servers[0], &mut findings)?;
    }
    findings.notes.push(
        "Load generators: user and system time of their whole processes, start and end included, on \
         redis-server. A generator that takes less leaves less of a measurement to chance."
            .to_owned(),
    );
    Ok(findings)
}

fn at(pipeline: usize, bench: &Bench, server: &Server, findings: &mut Findings) -> io::Result<()> {
    let closed = Closed {
        asked: &["-t", "get"],
        clients: CLIENTS,
        pipeline,
        requests: bench.plan.requests_at(pipeline),
        value_bytes: VALUE_BYTES,
        keys: KEYS,
    };
    findings.commands.push(closed.line(server.address));
    let mut ways = [Way::default(), Way::default()];
    for round in 0..bench.plan.rounds {
        for index in at_turn(round, ways.len()) {
            let before = process::cpu_time_of_ended_children()?;
            let rate = if index == 0 {
                closed.run(server.address)?
            } else {
                let outcome =
                    get_closed(&bench.loader, server, CLIENTS, pipeline, closed.requests)?;
                if round == 0 {
                    findings.commands.push(outcome.command);
                }
                outcome.rate
            };
            let used = process::cpu_time_of_ended_children()?.saturating_sub(before);
            ways[index].cpu_us.push(used.as_secs_f64() * 1e6 / closed.requests as f64);
            ways[index].gap_us.push(1e6 / rate);
        }
    }
    let [peer, own] = ways;
    let what = format!("{CLIENTS} clients, pipeline {pipeline}");
    let mut row = |name: &str, peer: &[f64], own: &[f64], wanted: Wanted| {
        let name = format!("the load generator beside redis-benchmark: {name}, {what}");
        findings.row(&name, "us", peer, own, wanted);
    };
    row("its CPU per GET", &peer.cpu_us, &own.cpu_us, Target::Ratio(1.0).into());
    row("time per GET that it reports", &peer.gap_us, &own.gap_us, Target::None.into());
    let ratios: Vec<f64> =
        own.gap_us.iter().zip(&peer.gap_us).map(|(own, peer)| own / peer).collect();
    if let Some(Spread { median, .. }) = Spread::of(&ratios) {
        let agrees = if (median - 1.0).abs() <= AGREEMENT { "agree" } else { "DISAGREE" };
        findings.notes.push(format!(
            "Throughput at pipeline {pipeline} as the load generator and redis-benchmark report it: they \
             {agrees} within {:.0} % ({:+.1} %).",
            AGREEMENT * 100.0,
            (1.0 / median - 1.0) * 100.0,
        ));
    }
    Ok(())
}
