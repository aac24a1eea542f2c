//! Job: closed-loop load by wrk, which everybody has and nobody can call partial.
//! In: an address, a path, connections, seconds. Out: the number of requests that were answered.
//! Invariant: it inherits the CPU of the caller; an answer that is no success is an error.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::child::line_of;

/// What wrk shall do.
#[derive(Clone, Copy, Debug)]
pub struct Wrk {
    /// What it asks for.
    pub path: &'static str,
    /// Parallel connections.
    pub connections: usize,
    /// How long.
    pub seconds: u64,
    /// A new connection for each request.
    pub closes: bool,
}

/// What wrk saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answered {
    /// Requests in all.
    pub requests: f64,
    /// Requests per second.
    pub rate: f64,
}

impl Wrk {
    fn command(&self, address: SocketAddr) -> Command {
        let mut command = Command::new("wrk");
        command.args(["-t", "1", "-c", &self.connections.to_string()]);
        command.args(["-d", &self.seconds.to_string(), "--timeout", "10s"]);
        if self.closes {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(format!("http://{address}{}", self.path)).stdin(Stdio::null());
        command
    }

    /// The command line.
    pub fn line(&self, address: SocketAddr) -> String {
        line_of(&self.command(address))
    }

    /// Runs it against `address`.
    ///
    /// # Errors
    /// wrk is missing, fails, says something unexpected, or met errors.
    pub fn run(&self, address: SocketAddr) -> io::Result<Answered> {
        let output = self.command(address).output().map_err(|error| {
            io::Error::new(error.kind(), format!("wrk (Debian package wrk): {error}"))
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        parse(&text).filter(|_| output.status.success()).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("wrk {}: {text}{errors}", output.status))
        })
    }
}

/// Reads `80021 requests in 2.00s, ...` and `Requests/sec:  39923.12`; nothing if there were errors.
fn parse(text: &str) -> Option<Answered> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return None;
    }
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "))?.0;
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"))?;
    Some(Answered { requests: requests.parse().ok()?, rate: rate.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_and_errors_refused() {
        let good = "Running 2s test @ http://127.0.0.1:1/\n  1 threads and 50 connections\n  \
                    80021 requests in 2.00s, 9.16MB read\nRequests/sec:  39923.12\n";
        assert_eq!(parse(good), Some(Answered { requests: 80021.0, rate: 39923.12 }));
        for bad in ["  Non-2xx or 3xx responses: 7\n", "  Socket errors: connect 0, read 3\n"] {
            assert_eq!(parse(&format!("{good}{bad}")), None);
        }
        assert_eq!(parse(""), None);
    }
}
