//! Job: CPU time of the proxy per request beside HAProxy's, closed loop.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: all proxies of a row have the same servers and take turns within each round.

use std::io;

use super::launch::{Kind, LARGE, Launcher, Running, SMALL};
use super::settings::{Balance, Mode, Service};
use super::{CONNECTIONS, Plan};
use crate::compare::{Spread, Target, at_turn};
use crate::process;
use crate::report::Findings;
use crate::report::plot::beside;
use crate::report::targets::{LB_LARGE, LB_SMALL, LB_TCP, Wanted};
use crate::wrk::Wrk;

/// The peer first; of the others ringlet-lb with one core has a target.
const KINDS: [Kind; 5] = [
    Kind::Haproxy,
    Kind::Ringlet { cores: 1 },
    Kind::Ringlet { cores: 2 },
    Kind::Ringlet { cores: 4 },
    Kind::Nginx,
];

/// One kind of traffic.
struct Traffic {
    name: &'static str,
    mode: Mode,
    path: &'static str,
    closes: bool,
    wanted: Wanted,
}

const TRAFFIC: [Traffic; 4] = [
    Traffic {
        name: "HTTP keep-alive, 64 bytes",
        mode: Mode::Http,
        path: SMALL,
        closes: false,
        wanted: LB_SMALL.must(),
    },
    Traffic {
        name: "HTTP keep-alive, 16 KB",
        mode: Mode::Http,
        path: LARGE,
        closes: false,
        wanted: LB_LARGE.must(),
    },
    Traffic {
        name: "TCP, 64 bytes",
        mode: Mode::Tcp,
        path: SMALL,
        closes: false,
        wanted: LB_TCP.must(),
    },
    Traffic {
        name: "HTTP, a connection per request",
        mode: Mode::Http,
        path: SMALL,
        closes: true,
        wanted: Wanted { target: Target::Ratio(0.95), goal: None },
    },
];

/// What was measured for one proxy, one figure per round.
#[derive(Default)]
struct Figures {
    cpu_us: Vec<f64>,
    /// Thousands of requests per second.
    rate: Vec<f64>,
    /// Percent of a CPU that it used.
    used: Vec<f64>,
    /// Percent of the time that its threads were ready to run but had no CPU.
    waited: Vec<f64>,
}

/// Measures all kinds of traffic.
///
/// # Errors
/// A process that cannot be started or breaks off, an answer that is no success.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let backends = launcher.backends()?;
    let mut findings = Findings::default();
    findings.commands.push(backends.command());
    for traffic in &TRAFFIC {
        let service = Service {
            mode: traffic.mode,
            balance: Balance::TwoChoices,
            servers: &backends.addresses,
            check_interval_ms: None,
        };
        let can = |&kind: &Kind| plan.takes(kind) && launcher.can(kind, traffic.mode);
        let kinds: Vec<Kind> = KINDS.into_iter().filter(can).collect();
        let proxies = kinds
            .iter()
            .map(|&kind| launcher.proxy(kind, &service))
            .collect::<io::Result<Vec<_>>>()?;
        for proxy in &proxies {
            let wrk = wrk(traffic, plan.cpu_seconds);
            findings.commands.extend([proxy.command(), wrk.line(proxy.address())]);
        }
        let figures = measure(plan, traffic, &proxies)?;
        report(traffic, &kinds, &figures, &mut findings);
    }
    if !launcher.can(Kind::Nginx, Mode::Tcp) {
        findings.notes.push("nginx has no stream module here, so TCP is without it.".to_owned());
    }
    Ok(findings)
}

fn wrk(traffic: &Traffic, seconds: u64) -> Wrk {
    Wrk { path: traffic.path, connections: CONNECTIONS, seconds, closes: traffic.closes }
}

fn measure(plan: &Plan, traffic: &Traffic, proxies: &[Running]) -> io::Result<Vec<Figures>> {
    for proxy in proxies {
        wrk(traffic, 1).run(proxy.address())?;
    }
    let mut figures: Vec<Figures> = proxies.iter().map(|_| Figures::default()).collect();
    for round in 0..plan.rounds {
        for index in at_turn(round, proxies.len()) {
            let pid = proxies[index].pid();
            let (before, waited) = (process::cpu_time(pid)?, process::waited_for_cpu(pid)?);
            let answered = wrk(traffic, plan.cpu_seconds).run(proxies[index].address())?;
            let used = process::cpu_time(pid)?.since(before).total();
            let waited = process::waited_for_cpu(pid)?.saturating_sub(waited);
            let figures = &mut figures[index];
            let seconds = answered.requests / answered.rate;
            figures.cpu_us.push(used.as_secs_f64() * 1e6 / answered.requests);
            figures.rate.push(answered.rate / 1000.0);
            figures.used.push(used.as_secs_f64() / seconds * 100.0);
            figures.waited.push(waited.as_secs_f64() / seconds * 100.0);
        }
    }
    Ok(figures)
}

fn report(traffic: &Traffic, kinds: &[Kind], figures: &[Figures], findings: &mut Findings) {
    let first = findings.rows.len();
    for (own, kind) in kinds.iter().enumerate().skip(1) {
        let wanted = if *kind == (Kind::Ringlet { cores: 1 }) {
            traffic.wanted
        } else {
            Target::None.into()
        };
        let name = format!("CPU per request, {}: {}", traffic.name, kind.name());
        findings.row(&name, "us", &figures[0].cpu_us, &figures[own].cpu_us, wanted);
    }
    let title = format!("CPU per request, {}", traffic.name);
    findings.plots.push(beside(&title, &findings.rows[first..]));
    let rates: Vec<String> = kinds
        .iter()
        .zip(figures)
        .filter_map(|(kind, figures)| {
            let median = |figures: &[f64]| Spread::of(figures).map(|spread| spread.median);
            Some(format!(
                "{} {:.1} ({:.0} %, {:.0} %)",
                kind.name(),
                median(&figures.rate)?,
                median(&figures.used)?,
                median(&figures.waited)?
            ))
        })
        .collect();
    findings.notes.push(format!(
        "{}, {CONNECTIONS} connections, thousands of requests per second as wrk saw them (how much of \
         a CPU the proxy used, and how long it waited for one): {}.",
        traffic.name,
        rates.join("; ")
    ));
}
