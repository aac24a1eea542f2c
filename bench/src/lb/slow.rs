//! Job: what clients see when one server of four is slow, by the way of balancing.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: the peer of these rows is ringlet-lb itself, going round-robin.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Plan;
use super::delayed::Delayed;
use super::latency::offer;
use super::launch::{Kind, Launcher, Running};
use super::settings::{Balance, Mode, Service};
use crate::compare::{Spread, Target, at_turn};
use crate::report::Findings;

const DELAY: Duration = Duration::from_millis(20);
const DELAYS: [Duration; 4] = [Duration::ZERO, Duration::ZERO, Duration::ZERO, DELAY];
const SLOW: usize = 3;
/// Requests per second. The slow server has one of them in flight nearly always, and whoever looks at
/// that gives it some 50 in a second; so that these are less than one in a hundred takes more than
/// 5000.
const RATE: f64 = 8000.0;
const RINGLET: Kind = Kind::Ringlet { cores: 1 };
/// The first is what the others are measured by.
const WAYS: [(&str, Kind, Balance); 5] = [
    ("round-robin", RINGLET, Balance::RoundRobin),
    ("p2c", RINGLET, Balance::TwoChoices),
    ("peak-ewma", RINGLET, Balance::PeakEwma),
    ("HAProxy, random(2)", Kind::Haproxy, Balance::TwoChoices),
    ("HAProxy, roundrobin", Kind::Haproxy, Balance::RoundRobin),
];

/// Measures all ways.
///
/// # Errors
/// A process that cannot be started or breaks off, an answer that is no success.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let servers = Delayed::start(&DELAYS)?;
    let proxies = WAYS
        .iter()
        .map(|&(_, kind, balance)| {
            let service = Service {
                mode: Mode::Http,
                balance,
                servers: &servers.addresses,
                check_interval_ms: None,
            };
            launcher.proxy(kind, &service)
        })
        .collect::<io::Result<Vec<Running>>>()?;
    let mut findings = Findings::default();
    let mut high = vec![Vec::new(); WAYS.len()];
    let mut shares = high.clone();
    for round in 0..plan.rounds {
        for index in at_turn(round, WAYS.len()) {
            let before = requests(&servers);
            let to = proxies[index].address();
            let outcome = offer(&launcher.loader, to, RATE, plan.latency_seconds)?;
            high[index].push(outcome.total.latency.quantile_us(0.99) / 1e3);
            let counted: Vec<u64> =
                requests(&servers).iter().zip(before).map(|(now, then)| now - then).collect();
            let share = counted[SLOW] as f64 / counted.iter().sum::<u64>().max(1) as f64;
            shares[index].push(share * 100.0);
            if round == 0 {
                findings.commands.extend([proxies[index].command(), outcome.command]);
            }
        }
    }
    for (own, (name, kind, _)) in WAYS.iter().enumerate().skip(1) {
        let target = if *kind == RINGLET { Target::Ratio(1.0 / 3.0) } else { Target::None };
        let name = format!("p99, one server of four 20 ms slower: {name} (peer: own round-robin)");
        findings.row(&name, "ms", &high[0], &high[own], target);
    }
    let shares: Vec<String> = WAYS
        .iter()
        .zip(&shares)
        .filter_map(|((name, ..), share)| {
            Spread::of(share).map(|share| format!("{name} {:.2} %", share.median))
        })
        .collect();
    findings.notes.push(format!(
        "One slow server: open loop, {RATE:.0} requests/s; the slow server got {}.",
        shares.join(", ")
    ));
    Ok(findings)
}

fn requests(servers: &Delayed) -> Vec<u64> {
    servers.counts.requests.iter().map(|count| count.load(Ordering::Relaxed)).collect()
}
