//! Job: closed-loop load by redis-benchmark, which everybody has and nobody can call partial.
//! In: a server, a command, clients, pipeline depth, number of requests.
//! Out: the throughput that redis-benchmark reports.
//! Invariant: it inherits the CPU of the caller.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// What redis-benchmark shall do.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// `get` or `set`.
    pub test: &'static str,
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

impl Closed {
    /// Runs it against `address`; requests per second.
    ///
    /// # Errors
    /// redis-benchmark is missing, fails, or says something unexpected.
    pub fn run(&self, address: SocketAddr) -> io::Result<f64> {
        let output = Command::new("redis-benchmark")
            .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
            .args(["-t", self.test, "-n", &self.requests.to_string()])
            .args(["-c", &self.clients.to_string(), "-P", &self.pipeline.to_string()])
            .args(["-d", &self.value_bytes.to_string(), "-r", &self.keys.to_string(), "--csv"])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                let text = format!("redis-benchmark (Debian package redis-tools): {error}");
                io::Error::new(error.kind(), text)
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        parse_csv(&text, self.test).filter(|_| output.status.success()).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("redis-benchmark {}: {text}{errors}", output.status))
        })
    }
}

/// The second field of the line whose first is the name of the test.
fn parse_csv(text: &str, test: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let mut fields = line.split(',').map(|field| field.trim_matches('"'));
        let name = fields.next()?;
        if name.eq_ignore_ascii_case(test) { fields.next()?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throughput_is_found_behind_header_and_warnings() {
        let text = "WARNING: Could not fetch server CONFIG\n\
                    \"test\",\"rps\",\"avg_latency_ms\"\n\"GET\",\"55555.56\",\"0.5\"\n";
        assert_eq!(parse_csv(text, "get"), Some(55555.56));
        assert_eq!(parse_csv(text, "set"), None);
        assert_eq!(parse_csv("", "get"), None);
    }

    #[test]
    fn keys_have_sixteen_bytes() {
        assert_eq!(key_name(42), "key:000000000042");
        assert_eq!(key_name(99_999).len(), 16);
    }
}
