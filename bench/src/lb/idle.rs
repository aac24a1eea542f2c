//! Job: memory of a proxy for clients that keep their connections and ask nothing.
//! In: a [`Plan`]. Out: rows and notes.
//! Invariant: every connection has carried a request before it idles, and is open when it is counted.

use std::io;
use std::thread;
use std::time::Duration;

use super::Plan;
use super::launch::{Kind, Launcher, SMALL};
use super::settings::{Balance, Mode, Service};
use crate::compare::{Target, at_turn};
use crate::http;
use crate::process;
use crate::report::Findings;
use crate::report::plot::beside;

const KINDS: [Kind; 3] = [Kind::Haproxy, Kind::Ringlet { cores: 1 }, Kind::Nginx];
/// Requests before the first look at the memory, one after the other.
const WARM_UP: usize = 200;
/// What a proxy gets to give back what it holds for requests.
const SETTLE: Duration = Duration::from_secs(1);
const MEBIBYTE: f64 = (1 << 20) as f64;

/// Measures the memory of idle connections.
///
/// # Errors
/// A process that cannot be started or breaks off, too few file descriptors.
pub fn run(plan: &Plan, launcher: &Launcher) -> io::Result<Findings> {
    let backends = launcher.backends()?;
    let service = Service {
        mode: Mode::Http,
        balance: Balance::TwoChoices,
        servers: &backends.addresses,
        check_interval_ms: None,
    };
    let mut grown = [Vec::new(), Vec::new(), Vec::new()];
    let mut whole = grown.clone();
    for round in 0..plan.rounds {
        for index in at_turn(round, KINDS.len()) {
            let proxy = launcher.proxy(KINDS[index], &service)?;
            for _ in 0..WARM_UP {
                http::ask(proxy.address(), SMALL)?;
            }
            let before = process::resident_bytes(proxy.pid())?;
            let connections = (0..plan.idle_connections)
                .map(|_| http::ask(proxy.address(), SMALL))
                .collect::<io::Result<Vec<_>>>()?;
            thread::sleep(SETTLE);
            let after = process::resident_bytes(proxy.pid())?;
            for connection in &connections {
                refuse_closed(connection)?;
            }
            grown[index].push(after.saturating_sub(before) as f64 / MEBIBYTE);
            whole[index].push(after as f64 / MEBIBYTE);
        }
    }
    let mut findings = Findings::default();
    let count = plan.idle_connections;
    for (own, kind) in KINDS.iter().enumerate().skip(1) {
        let target = if *kind == Kind::Nginx { Target::None } else { Target::Ratio(1.0) };
        let name = format!("memory of {count} idle keep-alive connections: {}", kind.name());
        findings.row(&name, "MiB", &grown[0], &grown[own], target);
        let name = format!("resident memory with these connections: {}", kind.name());
        findings.row(&name, "MiB", &whole[0], &whole[own], Target::None);
    }
    findings.plots.push(beside("Memory of idle connections", &findings.rows));
    Ok(findings)
}

/// An idle connection has nothing to read, not even its end.
fn refuse_closed(connection: &std::net::TcpStream) -> io::Result<()> {
    connection.set_nonblocking(true)?;
    match connection.peek(&mut [0]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Ok(_) => Err(io::Error::other("a proxy closed a connection that should idle")),
        Err(error) => Err(error),
    }
}
