//! Job: the latency that a proxy adds, at half of what HAProxy can serve.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: added is through the proxy minus direct, of the same round and percentile; the way to the
//! server and back is the same in both.

use std::io;
use std::net::SocketAddr;

use super::launch::{Kind, Launcher, Running, SMALL};
use super::settings::{Balance, Mode, Service};
use super::{CONNECTIONS, OFFERED_CONNECTIONS, Plan};
use crate::compare::{Target, at_turn};
use crate::generator::outcome::{Latencies, Outcome};
use crate::loader::Loader;
use crate::report::Findings;
use crate::report::runs::{Rounds, plots_of_rounds};
use crate::wrk::Wrk;

const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];
const KINDS: [Kind; 3] = [Kind::Haproxy, Kind::Ringlet { cores: 1 }, Kind::Nginx];

/// Measures added latency.
///
/// # Errors
/// A process that cannot be started or breaks off, an answer that is no success.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let backends = launcher.backends()?;
    let service = Service {
        mode: Mode::Http,
        balance: Balance::TwoChoices,
        servers: &backends.addresses,
        check_interval_ms: None,
    };
    let kinds: Vec<Kind> = KINDS.into_iter().filter(|&kind| plan.takes(kind)).collect();
    let proxies =
        kinds.iter().map(|&kind| launcher.proxy(kind, &service)).collect::<io::Result<Vec<_>>>()?;
    let mut findings = Findings::default();
    findings.commands.push(backends.command());
    findings.commands.extend(proxies.iter().map(Running::command));
    let wrk =
        Wrk { path: SMALL, connections: CONNECTIONS, seconds: plan.cpu_seconds, closes: false };
    findings.commands.push(wrk.line(proxies[0].address()));
    let rate = (wrk.run(proxies[0].address())?.rate / 2.0).round();
    // The last way is the direct one.
    let mut ways: Vec<_> = proxies.iter().map(Running::address).collect();
    ways.push(backends.address());
    let names = kinds.iter().map(|kind| kind.name()).chain(["without a proxy".to_owned()]);
    let mut rounds: Vec<Rounds> = names.map(|name| Rounds::of(&name)).collect();
    let mut figures = vec![vec![Vec::new(); QUANTILES.len()]; ways.len()];
    let mut lateness = Latencies::default();
    for round in 0..plan.latency_rounds {
        for way in at_turn(round, ways.len()) {
            let outcome = offer(&launcher.loader, ways[way], rate, plan.latency_seconds)?;
            lateness.add(&outcome.lateness);
            rounds[way].add(&outcome);
            for (figures, (_, quantile)) in figures[way].iter_mut().zip(QUANTILES) {
                figures.push(outcome.total.latency.quantile_us(quantile));
            }
            if round == 0 {
                findings.commands.push(outcome.command);
            }
        }
    }
    findings.plots = plots_of_rounds(&format!("{SMALL} at {rate:.0} requests/s"), &rounds);
    let direct = figures.pop().unwrap_or_default();
    for (own, kind) in kinds.iter().enumerate().skip(1) {
        let target = if *kind == Kind::Nginx { Target::None } else { Target::Ratio(1.0) };
        for (at, (name, _)) in QUANTILES.iter().enumerate() {
            let name = format!("latency added at {rate:.0} requests/s, {name}: {}", kind.name());
            let added = |through: &[Vec<f64>]| minus(&through[at], &direct[at]);
            findings.row(&name, "us", &added(&figures[0]), &added(&figures[own]), target);
        }
    }
    findings.notes.push(format!(
        "Latency: open loop over {OFFERED_CONNECTIONS} connections at random (exponential) gaps, half \
         of what HAProxy reached in a closed loop; counted from the intended time of sending, in us \
         to a server without a proxy: p50 {:?}, p99 {:?}. The generator itself was late by {:.0} us \
         at p50 and {:.0} us at p99.",
        rounded(&direct[0]),
        rounded(&direct[1]),
        lateness.quantile_us(0.5),
        lateness.quantile_us(0.99),
    ));
    Ok(findings)
}

/// Offers `rate` requests per second for `seconds`.
///
/// # Errors
/// A broken connection, an answer that is no success.
pub fn offer(loader: &Loader, to: SocketAddr, rate: f64, seconds: u64) -> io::Result<Outcome> {
    // The servers run on the generator's CPU.
    loader.run_line(&format!(
        "http://{to}{SMALL} --rate {rate} --connections {OFFERED_CONNECTIONS} --time {seconds}s \
         --warm-up 500ms --share-cpu"
    ))
}

fn minus(through: &[f64], direct: &[f64]) -> Vec<f64> {
    through.iter().zip(direct).map(|(through, direct)| through - direct).collect()
}

fn rounded(figures: &[f64]) -> Vec<u64> {
    figures.iter().map(|figure| figure.round() as u64).collect()
}
