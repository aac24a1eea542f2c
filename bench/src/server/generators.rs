//! Job: the load generator beside redis-benchmark, on the same server.
//! In: a [`Bench`]. Out: rows and a note.
//! Invariant: what both took is counted in the same way, for their whole processes; they take turns
//! within each round.

use std::io;

use super::scenario::{Bench, CLIENTS};
use super::traffic::{KEYS, VALUE_BYTES, fill_small};
use crate::compare::{Spread, Target, at_turn};
use crate::data_server::{Kind, Server};
use crate::process;
use crate::redis_benchmark::Closed;
use crate::report::Findings;

/// By how much the throughput that both see may differ.
const AGREEMENT: f64 = 0.15;
/// Bytes of the string whose bits the slow command counts.
const LONG_BYTES: u64 = 200_000;

/// What both ask.
struct Case {
    name: &'static str,
    /// The options of `ringlet-bench load`.
    own: &'static str,
    /// The last words of redis-benchmark.
    theirs: &'static [&'static str],
    pipeline: usize,
    /// Whether the server is at its limit before any generator is, so that both must find the same.
    is_slow: bool,
}

const GET: Case =
    Case { name: "GET", own: "--ratio 0:1", theirs: &["-t", "get"], pipeline: 1, is_slow: false };
const CASES: [Case; 3] = [
    GET,
    Case { pipeline: 16, ..GET },
    Case {
        name: "BITCOUNT of 200 kB",
        own: "--command 'BITCOUNT long'",
        theirs: &["BITCOUNT", "long"],
        pipeline: 1,
        is_slow: true,
    },
];

/// One way to make the load: its figures round by round.
#[derive(Default)]
struct Way {
    /// CPU time of the generator for a request.
    cpu_us: Vec<f64>,
    /// From one request of the server to the next, as the generator saw it.
    gap_us: Vec<f64>,
}

/// Measures all cases.
///
/// # Errors
/// A server or a tool that cannot be started or breaks off.
pub fn run(bench: &Bench) -> io::Result<Findings> {
    let mut findings = Findings::default();
    let servers = bench.start(&[Kind::Redis], &mut findings)?;
    findings.commands.push(fill_small(&bench.loader, &servers[0])?);
    servers[0].ask(&[b"SETRANGE", b"long", LONG_BYTES.to_string().as_bytes(), b"x"])?;
    for case in &CASES {
        measure(case, bench, &servers[0], &mut findings)?;
    }
    findings.notes.push(
        "Load generators: user and system time of their whole processes, start and end included, on \
         redis-server. With GET each of them may be busier than the server, which then has no say in how \
         many requests it gets; where the server is slow, both must find its limit."
            .to_owned(),
    );
    Ok(findings)
}

fn measure(case: &Case, bench: &Bench, server: &Server, findings: &mut Findings) -> io::Result<()> {
    let requests = bench.plan.requests_at(case.pipeline);
    let closed = Closed {
        asked: case.theirs,
        clients: CLIENTS,
        pipeline: case.pipeline,
        requests: if case.is_slow { requests / 8 } else { requests },
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
                let outcome = bench.loader.run_line(&options(case, &closed, server))?;
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
    report(case, &ways, findings);
    Ok(())
}

/// The options of `ringlet-bench load` that ask for the same.
fn options(case: &Case, closed: &Closed<'_>, server: &Server) -> String {
    let Closed { clients, pipeline, requests, keys, .. } = closed;
    format!(
        "redis://{} {} --connections {clients} --pipeline {pipeline} --requests {requests} --keys {keys}",
        server.address, case.own
    )
}

fn report(case: &Case, ways: &[Way; 2], findings: &mut Findings) {
    let [peer, own] = ways;
    let what = format!("{}, {CLIENTS} clients, pipeline {}", case.name, case.pipeline);
    let mut row = |name: &str, peer: &[f64], own: &[f64], target: Target| {
        let name = format!("the load generator beside redis-benchmark: {name}, {what}");
        findings.row(&name, "us", peer, own, target);
    };
    if !case.is_slow {
        row("its CPU per request", &peer.cpu_us, &own.cpu_us, Target::Ratio(1.0));
    }
    row("time per request that it reports", &peer.gap_us, &own.gap_us, Target::None);
    let ratios: Vec<f64> =
        own.gap_us.iter().zip(&peer.gap_us).map(|(own, peer)| own / peer).collect();
    if let Some(Spread { median, .. }) = Spread::of(&ratios).filter(|_| case.is_slow) {
        let agrees = if (median - 1.0).abs() <= AGREEMENT { "agree" } else { "do NOT agree" };
        findings.notes.push(format!(
            "Throughput of a slow command as the load generator and redis-benchmark report it: they \
             {agrees} within {:.0} % ({:+.1} %).",
            AGREEMENT * 100.0,
            (1.0 / median - 1.0) * 100.0,
        ));
    }
}
