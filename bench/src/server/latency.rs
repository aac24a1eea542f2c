//! Job: latency percentiles at a rate that is the same for all.
//! In: a [`Bench`]. Out: rows, notes, plots.
//! Invariant: the rate is a share of what the peer reached, whatever the others can do.

use std::io;

use super::scenario::{Bench, CLIENTS, KINDS, SYSTEMS, shards};
use super::traffic::{KEYS, VALUE_BYTES, fill_small, offer};
use crate::compare::{Target, at_turn};
use crate::data_server::Server;
use crate::generator::outcome::Latencies;
use crate::redis_benchmark::Closed;
use crate::report::Findings;
use crate::report::runs::{Rounds, plots_of_rounds};

const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// Measures at all shares of the plan.
///
/// # Errors
/// A server or a tool that cannot be started or breaks off.
pub fn run(bench: &Bench) -> io::Result<Findings> {
    let mut findings = Findings::default();
    let servers = bench.start(&KINDS, &mut findings)?;
    for server in &servers {
        findings.commands.push(fill_small(&bench.loader, server)?);
    }
    let closed = Closed {
        asked: &["-t", "get"],
        clients: CLIENTS,
        pipeline: 1,
        requests: bench.plan.requests,
        value_bytes: VALUE_BYTES,
        keys: KEYS,
    };
    findings.commands.push(closed.line(servers[0].address));
    let most = closed.run(servers[0].address)?;
    for &share in &bench.plan.offered_shares {
        at((most * share).round(), share, bench, &servers, &mut findings)?;
    }
    Ok(findings)
}

/// Latency percentiles at `rate` requests per second, which is that `share` of the peer's most.
fn at(
    rate: f64,
    share: f64,
    bench: &Bench,
    servers: &[Server],
    findings: &mut Findings,
) -> io::Result<()> {
    let mut figures = vec![vec![Vec::new(); QUANTILES.len()]; servers.len()];
    let mut rounds = SYSTEMS.map(Rounds::of);
    let mut lateness = Latencies::default();
    for round in 0..bench.plan.rounds {
        for index in at_turn(round, servers.len()) {
            let seconds = bench.plan.latency_seconds;
            let outcome = offer(&bench.loader, &servers[index], rate, CLIENTS, seconds)?;
            lateness.add(&outcome.lateness);
            rounds[index].add(&outcome);
            for (figures, (_, quantile)) in figures[index].iter_mut().zip(QUANTILES) {
                figures.push(outcome.total.latency.quantile_us(quantile));
            }
            if round == 0 {
                findings.commands.push(outcome.command);
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
    findings.plots.extend(plots_of_rounds(&format!("GET/SET at {rate:.0} requests/s"), &rounds));
    findings.notes.push(format!(
        "Latency: open loop, half GET and half SET over {CLIENTS} connections at random (exponential) \
         gaps, {:.0} % of what Redis reached in a closed loop; counted from the intended time of \
         sending. The generator itself was late by {:.0} us at p50 and {:.0} us at p99.",
        share * 100.0,
        lateness.quantile_us(0.5),
        lateness.quantile_us(0.99),
    ));
    Ok(())
}
