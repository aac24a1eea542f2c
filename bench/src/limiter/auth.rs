//! Job: CPU time per request of `/auth` beside nginx with `limit_req`, closed loop.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: both hold every request against a limit by the client's address, which a second limit
//! that refuses has shown before anything is measured.

use std::io;
use std::net::SocketAddr;

use super::launch::Launcher;
use super::settings::{TIGHT, WIDE};
use super::{CONNECTIONS, Plan, cpu_us};
use crate::compare::{Spread, Target, at_turn};
use crate::http;
use crate::report::Findings;
use crate::report::plot::beside;
use crate::wrk::Wrk;

/// One way to ask, and whose process counts.
struct Way {
    name: &'static str,
    address: SocketAddr,
    pid: u32,
    figures: Vec<f64>,
    /// Thousands of requests per second.
    rates: Vec<f64>,
}

/// Measures all ways.
///
/// # Errors
/// A process that cannot be started or breaks off, one that does not limit.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let nginx = launcher.nginx()?;
    let limiter = launcher.limiter(1, None)?;
    must_limit(nginx.address)?;
    must_limit(limiter.fronts.http)?;
    let way =
        |name, address, pid| Way { name, address, pid, figures: Vec::new(), rates: Vec::new() };
    let mut ways = [
        way("nginx limit_req", nginx.address, nginx.pid()),
        way("with RateLimit headers", limiter.fronts.http, limiter.pid()),
        way("without headers", limiter.fronts.bare_http, limiter.pid()),
    ];
    let wrk = |seconds| Wrk { path: WIDE, connections: CONNECTIONS, seconds, closes: false };
    for way in &ways {
        wrk(1).run(way.address)?;
    }
    for round in 0..plan.rounds {
        for index in at_turn(round, ways.len()) {
            let way = &mut ways[index];
            let mut rate = 0.0;
            let figure = cpu_us(way.pid, || {
                let answered = wrk(plan.seconds).run(way.address)?;
                rate = answered.rate;
                Ok(answered.requests)
            })?;
            way.figures.push(figure);
            way.rates.push(rate / 1000.0);
        }
    }
    let mut findings = report(&ways);
    findings.commands = vec![nginx.command(), limiter.command()];
    findings.commands.extend(ways.iter().map(|way| wrk(plan.seconds).line(way.address)));
    Ok(findings)
}

/// Refuses a server that lets through what it must not, or the reverse.
fn must_limit(address: SocketAddr) -> io::Result<()> {
    http::ask(address, TIGHT)?;
    if http::ask(address, TIGHT).is_ok() {
        return Err(io::Error::other(format!("{address} does not limit {TIGHT}")));
    }
    http::ask(address, WIDE).map(drop)
}

fn report(ways: &[Way]) -> Findings {
    let mut findings = Findings::default();
    let targets = [Target::Ratio(0.7), Target::None];
    for (own, target) in ways[1..].iter().zip(targets) {
        let name = format!("CPU per request, HTTP {WIDE} keep-alive, {}", own.name);
        findings.row(&name, "us", &ways[0].figures, &own.figures, target);
    }
    findings.plots.push(beside("CPU per request of /auth", &findings.rows));
    let rates: Vec<String> = ways
        .iter()
        .filter_map(|way| Some(format!("{} {:.1}", way.name, Spread::of(&way.rates)?.median)))
        .collect();
    findings.notes.push(format!(
        "HTTP, {CONNECTIONS} connections: the peer is nginx with one worker, limit_req by address and \
         empty_gif, as a `return` would come before limit_req. Thousands of requests per second as \
         wrk saw them: {}.",
        rates.join("; ")
    ));
    findings
}
