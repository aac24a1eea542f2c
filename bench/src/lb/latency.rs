//! Job: the latency that a proxy adds, at half of what HAProxy can serve.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: added is through the proxy minus direct, of the same round and percentile; the way to the
//! server and back is the same in both.

use std::io;
use std::time::Duration;

use super::launch::{Kind, Launcher, SMALL, destination};
use super::settings::{Balance, Mode, Service};
use super::{CONNECTIONS, OFFERED_CONNECTIONS, Plan};
use crate::compare::{Target, at_turn};
use crate::http;
use crate::load::{self, Destination, Offer, Outcome};
use crate::report::Findings;
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
    let proxies =
        KINDS.iter().map(|&kind| launcher.proxy(kind, &service)).collect::<io::Result<Vec<_>>>()?;
    let wrk = Wrk { path: SMALL, connections: CONNECTIONS, seconds: 2, closes: false };
    let rate = (wrk.run(proxies[0].address())?.rate / 2.0).round();
    // The last way is the direct one.
    let mut ways: Vec<_> = proxies.iter().map(|proxy| destination(proxy.address())).collect();
    ways.push(destination(backends.address()));
    let mut figures = vec![vec![Vec::new(); QUANTILES.len()]; ways.len()];
    let mut lateness = load::histogram();
    for round in 0..plan.rounds {
        for way in at_turn(round, ways.len()) {
            let outcome = offer(ways[way], rate, plan.latency_seconds)?;
            lateness.add(&outcome.lateness).map_err(io::Error::other)?;
            for (figures, (_, quantile)) in figures[way].iter_mut().zip(QUANTILES) {
                figures.push(outcome.latency.value_at_quantile(quantile) as f64 / 1000.0);
            }
        }
    }
    let direct = figures.pop().unwrap_or_default();
    let mut findings = Findings::default();
    for (own, kind) in KINDS.iter().enumerate().skip(1) {
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
        lateness.value_at_quantile(0.5) as f64 / 1000.0,
        lateness.value_at_quantile(0.99) as f64 / 1000.0,
    ));
    Ok(findings)
}

/// Offers `rate` requests per second for `seconds`.
///
/// # Errors
/// A broken connection, an answer that is no success.
pub fn offer(to: Destination, rate: f64, seconds: u64) -> io::Result<Outcome> {
    let mut encode = |_, output: &mut Vec<u8>| http::get(SMALL, output);
    let offer =
        Offer { rate, connections: OFFERED_CONNECTIONS, random_gaps: true, encode: &mut encode };
    let outcome = load::run(to, Duration::from_secs(seconds), Some(offer), None)?;
    outcome.refuse_errors()?;
    Ok(outcome)
}

fn minus(through: &[f64], direct: &[f64]) -> Vec<f64> {
    through.iter().zip(direct).map(|(through, direct)| through - direct).collect()
}

fn rounded(figures: &[f64]) -> Vec<u64> {
    figures.iter().map(|figure| figure.round() as u64).collect()
}
