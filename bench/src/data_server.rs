//! Job: start the servers to be compared, each pinned to the CPUs of the servers, and ask them.
//! In: binaries, CPUs. Out: processes that answer PING on free ports of 127.0.0.1.
//! Invariant: a dropped [`Server`] has ended its process.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::child::{Child, LaunchError, free_address};
use crate::generator::resp;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// More than any reply that is read here (INFO).
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Which server to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// redis-server.
    Redis,
    /// ringlet-server with that many shards.
    Ringlet {
        /// The number of shards.
        shards: usize,
    },
}

/// Where the binaries are, and on which CPUs they run.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The peer.
    pub redis: PathBuf,
    /// The server under test. Without the option `--shards` if it is itself a redis-server.
    pub ringlet: PathBuf,
    /// A CPU list as taskset(1) takes it.
    pub server_cpus: String,
}

impl Launcher {
    /// Starts a server without persistence and waits until it answers.
    ///
    /// # Errors
    /// The binary or taskset is missing, the process ends at once, or it does not answer.
    pub fn start(&self, kind: Kind) -> Result<Server, LaunchError> {
        self.start_with(kind, &[])
    }

    /// As [`Launcher::start`], with further options.
    ///
    /// # Errors
    /// As [`Launcher::start`].
    pub fn start_with(&self, kind: Kind, options: &[&str]) -> Result<Server, LaunchError> {
        let path = match kind {
            Kind::Redis => &self.redis,
            Kind::Ringlet { .. } => &self.ringlet,
        };
        let address = free_address()?;
        let port = address.port().to_string();
        let mut arguments = vec!["--port", &port, "--bind", "127.0.0.1", "--save", ""];
        arguments.extend(["--appendonly", "no"]);
        let count;
        if let Kind::Ringlet { shards } = kind
            && !is_redis(path)
        {
            count = shards.to_string();
            arguments.extend(["--shards", &count]);
        }
        arguments.extend(options);
        let mut child = Child::start(path, &self.server_cpus, arguments)?;
        child.wait_until(|| {
            ask(address, &[b"PING"]).is_ok_and(|answer| answer.starts_with("+PONG"))
        })?;
        Ok(Server { child, address })
    }
}

fn is_redis(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("redis"))
}

impl Server {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The command line that started it.
    pub fn command(&self) -> String {
        self.child.command().to_owned()
    }

    /// The reply to one command on a connection of its own, as it came.
    ///
    /// # Errors
    /// A broken connection, or a reply that is too long or no RESP2.
    pub fn ask(&self, words: &[&[u8]]) -> io::Result<String> {
        ask(self.address, words)
    }

    /// The number of keys of database 0.
    ///
    /// # Errors
    /// As [`Server::ask`], or an answer that is no integer.
    pub fn key_count(&self) -> io::Result<u64> {
        let answer = self.ask(&[b"DBSIZE"])?;
        let digits = answer.trim().strip_prefix(':').and_then(|digits| digits.parse().ok());
        digits.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, answer))
    }

    /// A figure of INFO, if the server has it.
    ///
    /// # Errors
    /// As [`Server::ask`].
    pub fn info_figure(&self, name: &str) -> io::Result<Option<f64>> {
        Ok(figure_in(&self.ask(&[b"INFO", b"everything"])?, name))
    }
}

/// The reply to one command on a connection of its own, as it came; of whatever speaks RESP.
///
/// # Errors
/// A broken connection, or a reply that is too long or no RESP2.
pub fn ask(address: SocketAddr, words: &[&[u8]]) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut bytes = Vec::new();
    resp::encode(words, &mut bytes);
    stream.write_all(&bytes)?;
    let mut answer = Vec::new();
    while find_reply(&answer)?.is_none() {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk)?;
        if count == 0 || answer.len() > MAX_ANSWER_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an unusable answer"));
        }
        answer.extend_from_slice(&chunk[..count]);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The first reply in `input`, or `None` if it is not complete.
///
/// # Errors
/// `InvalidData` for bytes that begin no reply.
pub fn find_reply(input: &[u8]) -> io::Result<Option<resp::Found>> {
    resp::find_reply(input).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn figure_in(info: &str, name: &str) -> Option<f64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok();
    info.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_info_are_found_by_their_whole_name() {
        let info = "# Stats\r\nlongest_pass:x\r\nlongest:12\r\npass:70.5\r\n";
        assert_eq!(figure_in(info, "longest"), Some(12.0));
        assert_eq!(figure_in(info, "pass"), Some(70.5));
        assert_eq!(figure_in(info, "longest_pass"), None);
        assert_eq!(figure_in(info, "short"), None);
    }
}
