//! Job: start the servers to be compared, each pinned to the CPUs of the servers, and end them.
//! In: binaries, CPUs. Out: processes that answer PING on free ports of 127.0.0.1.
//! Invariant: a dropped [`Server`] has ended its own child, by its handle, and nothing else.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::resp;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// More than any reply that is read here (INFO).
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Why a server could not be started or asked.
#[derive(Debug)]
pub struct LaunchError(String);

impl fmt::Display for LaunchError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for LaunchError {}

impl From<LaunchError> for io::Error {
    fn from(error: LaunchError) -> Self {
        Self::other(error)
    }
}

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
        let path = match kind {
            Kind::Redis => &self.redis,
            Kind::Ringlet { .. } => &self.ringlet,
        };
        let failed = |what: &dyn fmt::Display| LaunchError(format!("{}: {what}", path.display()));
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| failed(&error))?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(&self.server_cpus).arg(path);
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no"]);
        if let Kind::Ringlet { shards } = kind
            && !is_redis(path)
        {
            command.args(["--shards", &shards.to_string()]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| failed(&error))?;
        let mut server = Server { child, address };
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if server.ask(&[b"PING"]).is_ok_and(|answer| answer.starts_with("+PONG")) {
                return Ok(server);
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(failed(&format!("ended at once, {status}")));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Err(failed(&"does not answer PING"))
    }
}

fn is_redis(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("redis"))
}

impl Server {
    /// Its process id: taskset has become the server by exec.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The reply to one command on a connection of its own, as it came.
    ///
    /// # Errors
    /// A broken connection, or a reply that is too long or no RESP2.
    pub fn ask(&self, words: &[&[u8]]) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let mut bytes = Vec::new();
        resp::encode(words, &mut bytes);
        stream.write_all(&bytes)?;
        let mut answer = Vec::new();
        while resp::skip_reply(&answer)?.is_none() {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk)?;
            if count == 0 || answer.len() > MAX_ANSWER_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "an unusable answer"));
            }
            answer.extend_from_slice(&chunk[..count]);
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
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

fn figure_in(info: &str, name: &str) -> Option<f64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok();
    info.lines().find_map(value)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both calls fail only when the child is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
