//! Job: gRPC calls in a closed loop by h2load.
//! In: an address, a path, one framed message, connections, streams, number of calls.
//! Out: the number of calls that were answered, and the bytes of the answers.
//! Invariant: it inherits the CPU of the caller; an answer that is no success is an error.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::child::line_of;

/// What h2load shall do.
#[derive(Clone, Copy, Debug)]
pub struct H2load<'a> {
    /// The method's path.
    pub path: &'a str,
    /// A file with the message that each call sends.
    pub message: &'a Path,
    /// Parallel connections.
    pub connections: usize,
    /// Calls in flight on each.
    pub streams: usize,
    /// Calls in all.
    pub calls: u64,
}

/// What h2load saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answered {
    /// Calls per second.
    pub rate: f64,
    /// Calls that got a status of 200.
    pub calls: u64,
    /// Bytes of DATA frames.
    pub bytes: u64,
}

impl H2load<'_> {
    fn command(&self, address: SocketAddr) -> Command {
        let mut command = Command::new("h2load");
        command
            .args(["-t", "1", "-n", &self.calls.to_string()])
            .args(["-c", &self.connections.to_string(), "-m", &self.streams.to_string()])
            .args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-d"])
            .arg(self.message)
            .arg(format!("http://{address}{}", self.path))
            .stdin(Stdio::null());
        command
    }

    /// The command line.
    pub fn line(&self, address: SocketAddr) -> String {
        line_of(&self.command(address))
    }

    /// Runs it against `address`.
    ///
    /// # Errors
    /// h2load is missing, fails, says something unexpected, or a call failed.
    pub fn run(&self, address: SocketAddr) -> io::Result<Answered> {
        let output = self.command(address).output().map_err(|error| {
            let text = format!("h2load (Debian package nghttp2-client): {error}");
            io::Error::new(error.kind(), text)
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let all = |answered: &Answered| output.status.success() && answered.calls == self.calls;
        parse(&text).filter(all).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("h2load {}: {text}{errors}", output.status))
        })
    }
}

/// Reads `finished in 1.20s, 50000.00 req/s, ...`, `status codes: 60000 2xx, ...` and
/// `traffic: ... 480.00KB (491520) data`.
fn parse(text: &str) -> Option<Answered> {
    let line = |start| text.lines().find_map(|line| line.strip_prefix(start));
    let rate = line("finished in ")?.split(", ").nth(1)?.strip_suffix(" req/s")?;
    let calls = line("status codes: ")?.split(' ').next()?;
    let bytes = line("traffic: ")?.strip_suffix(") data")?.rsplit('(').next()?;
    Some(Answered {
        rate: rate.parse().ok()?,
        calls: calls.parse().ok()?,
        bytes: bytes.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_calls_and_bytes_are_found() {
        let text = "finished in 1.20s, 50000.00 req/s, 3.10MB/s\n\
                    requests: 60000 total, 60000 started, 60000 done, 60000 succeeded\n\
                    status codes: 59999 2xx, 0 3xx, 1 4xx, 0 5xx\n\
                    traffic: 3.05MB (3200000) total, 1.20MB (1258291) headers (space savings \
                    90.00%), 480.00KB (491520) data\n";
        let expected = Answered { rate: 50000.0, calls: 59999, bytes: 491_520 };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("finished in 1.20s, 50000.00 req/s, 3.10MB/s\n"), None);
    }
}
