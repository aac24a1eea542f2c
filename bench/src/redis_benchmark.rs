//! Job: closed-loop load by redis-benchmark, which everybody has and nobody can call partial.
//! In: a server, a command, clients, pipeline depth, number of requests.
//! Out: the throughput that redis-benchmark reports.
//! Invariant: it inherits the CPU of the caller.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::child::line_of;

/// What redis-benchmark shall do.
#[derive(Clone, Copy, Debug)]
pub struct Closed<'a> {
    /// The words of a command, in which `__rand_int__` stands for the number of a key, or `-t` and the
    /// name of a command that it knows.
    pub asked: &'a [&'a str],
    /// Parallel connections.
    pub clients: usize,
    /// Requests in flight on each.
    pub pipeline: usize,
    /// Requests in all.
    pub requests: u64,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Different keys, drawn at random; named as [`key_name`] names them.
    pub keys: u64,
}

/// The key that redis-benchmark makes of a number with `-r`.
pub fn key_name(number: u64) -> String {
    format!("key:{number:012}")
}

impl Closed<'_> {
    fn command(&self, address: SocketAddr) -> Command {
        let mut command = Command::new("redis-benchmark");
        command
            .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
            .args(["-n", &self.requests.to_string()])
            .args(["-c", &self.clients.to_string(), "-P", &self.pipeline.to_string()])
            .args(["-d", &self.value_bytes.to_string(), "-r", &self.keys.to_string(), "--csv"])
            .args(self.asked)
            .stdin(Stdio::null());
        command
    }

    /// The command line.
    pub fn line(&self, address: SocketAddr) -> String {
        line_of(&self.command(address))
    }

    /// Runs it against `address`; requests per second.
    ///
    /// # Errors
    /// redis-benchmark is missing, fails, or says something unexpected.
    pub fn run(&self, address: SocketAddr) -> io::Result<f64> {
        let output = self.command(address).output().map_err(|error| {
            let text = format!("redis-benchmark (Debian package redis-tools): {error}");
            io::Error::new(error.kind(), text)
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        parse_csv(&text).filter(|_| output.status.success()).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("redis-benchmark {}: {text}{errors}", output.status))
        })
    }
}

/// The second field of the last line in which it is a number: of the only command.
fn parse_csv(text: &str) -> Option<f64> {
    let rate = |line: &str| line.split(',').nth(1)?.trim_matches('"').parse().ok();
    text.lines().rev().find_map(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throughput_is_found_behind_header_and_warnings() {
        let text = "WARNING: Could not fetch server CONFIG\n\
                    \"test\",\"rps\",\"avg_latency_ms\"\n\"GET\",\"55555.56\",\"0.5\"\n";
        assert_eq!(parse_csv(text), Some(55555.56));
        assert_eq!(parse_csv("\"test\",\"rps\"\n"), None);
        assert_eq!(parse_csv(""), None);
    }

    #[test]
    fn keys_have_sixteen_bytes() {
        assert_eq!(key_name(42), "key:000000000042");
        assert_eq!(key_name(99_999).len(), 16);
    }
}
