//! Job: start the server under test on a free port and end it again.
//! In: the path of a binary (`ringlet-server`, or a `redis-server` to try the checker itself on).
//! Out: a [`RunningServer`] that answers, and of which it is sure that it is its own child.
//! Invariant: a dropped [`RunningServer`] has ended its own child, by its handle, and nothing else.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::client::Connection;
use crate::random::Choices;
use crate::wire::{Address, Wire};

/// Names the binary under test instead of the one that cargo built.
pub const BINARY_VARIABLE: &str = "RINGLET_SERVER_BINARY";

const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Below the ports that the kernel gives to clients, which other tests may use by the thousand.
const PORTS: Range<u16> = 12_000..32_000;
const START_ATTEMPTS: usize = 5;
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Why no server could be started.
#[derive(Debug)]
pub enum StartError {
    /// The binary could not be executed, or no port was free.
    Io(PathBuf, io::Error),
    /// The process ended before it answered (a port that somebody else took is tried again).
    Exited(PathBuf, ExitStatus),
    /// The process runs but does not answer on its port.
    Silent(PathBuf, SocketAddr),
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(out, "cannot start {}: {error}", path.display()),
            Self::Exited(path, status) => write!(out, "{} ended at once: {status}", path.display()),
            Self::Silent(path, address) => {
                write!(out, "{} does not answer on {address}", path.display())
            }
        }
    }
}

impl std::error::Error for StartError {}

/// A server binary and the options that only one of the two kinds understands.
#[derive(Clone, Debug)]
pub struct ServerBinary {
    path: PathBuf,
}

impl ServerBinary {
    /// The binary that [`BINARY_VARIABLE`] names, or else `built`.
    pub fn from_environment(built: &str) -> Self {
        Self::at(std::env::var_os(BINARY_VARIABLE).map_or_else(|| built.into(), PathBuf::from))
    }

    /// The binary that [`BINARY_VARIABLE`] names, or else the one that was built beside the running test.
    ///
    /// # Panics
    /// There is none: the message says how to get one.
    pub fn beside_the_test() -> Self {
        let test = std::env::current_exe().expect("a test has a path");
        let built = test.parent().and_then(Path::parent).expect("target/PROFILE");
        let binary = Self::from_environment(&built.join("ringlet-server").display().to_string());
        assert!(
            binary.path().exists(),
            "{} is not there: cargo build -p ringlet-server, or set {BINARY_VARIABLE}",
            binary.path().display()
        );
        binary
    }

    /// The binary at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// True for redis-server, which knows no `--shards`.
    pub fn is_redis(&self) -> bool {
        self.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("redis"))
    }

    /// Where the binary lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts the server on a free port of 127.0.0.1 with `shards` shards, no persistence, and
    /// `environment` added to the variables, and waits until it answers.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        &self,
        shards: usize,
        environment: &[(&str, &str)],
    ) -> Result<RunningServer, StartError> {
        self.launch(&Launch { environment: environment.to_vec(), ..Launch::with_shards(shards) })
    }

    /// As [`ServerBinary::start`], with all that can be chosen.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn launch(&self, launch: &Launch<'_>) -> Result<RunningServer, StartError> {
        let mut attempt = 1;
        loop {
            match self.launch_once(launch) {
                Err(StartError::Exited(..))
                    if attempt < START_ATTEMPTS && launch.port.is_none() =>
                {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// The command line of a server on `port`, without the limits of the launch.
    pub fn command(&self, launch: &Launch<'_>, port: u16) -> Command {
        let mut command = match launch.open_files_max {
            None => Command::new(&self.path),
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
                shell.arg(&self.path);
                shell
            }
        };
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(&launch.options)
            .envs(launch.environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if !self.is_redis() {
            command.args(["--shards", &launch.shards.to_string()]);
        }
        command
    }

    fn launch_once(&self, launch: &Launch<'_>) -> Result<RunningServer, StartError> {
        let failed = |error| StartError::Io(self.path.clone(), error);
        let address = match launch.port {
            Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            None => free_address().map_err(failed)?,
        };
        let child = self.command(launch, address.port()).spawn().map_err(failed)?;
        let mut server = RunningServer { child, address };
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            // Who answers may be a neighbour that took the port first; then the child ends.
            let answers = process_behind(address, launch.password()) == Some(server.pid());
            if let Some(status) = server.child.try_wait().map_err(failed)? {
                return Err(StartError::Exited(self.path.clone(), status));
            }
            if answers {
                return Ok(server);
            }
            thread::sleep(POLL_INTERVAL);
        }
        Err(StartError::Silent(self.path.clone(), address))
    }
}

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// Number of shards; left out for redis-server.
    pub shards: usize,
    /// The port, or a free one.
    pub port: Option<u16>,
    /// More words of the command line: directives with their values.
    pub options: Vec<&'a str>,
    /// Variables to add.
    pub environment: Vec<(&'a str, &'a str)>,
    /// Limit of open files of the process, or the limit of the caller.
    pub open_files_max: Option<u32>,
}

impl Launch<'_> {
    /// Nothing but a number of shards.
    pub fn with_shards(shards: usize) -> Self {
        Self {
            shards,
            port: None,
            options: Vec::new(),
            environment: Vec::new(),
            open_files_max: None,
        }
    }

    fn password(&self) -> Option<&str> {
        let at = self.options.iter().position(|&word| word == "--requirepass")?;
        self.options.get(at + 1).copied()
    }
}

/// A server process of our own. Dropping it kills it.
#[derive(Debug)]
pub struct RunningServer {
    child: Child,
    address: SocketAddr,
}

impl RunningServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status if the process has ended on its own.
    ///
    /// # Errors
    /// What the operating system says about the child.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Where it listens, for a [`Wire`].
    pub fn wire_address(&self) -> Address {
        Address::Tcp(self.address)
    }

    /// A new connection.
    ///
    /// # Panics
    /// When the server does not accept it.
    pub fn connect(&self) -> Wire {
        Wire::open(&self.wire_address()).expect("the server accepts a connection")
    }

    /// Sends `signal` (`TERM`, `INT`) and waits for the end.
    ///
    /// # Errors
    /// `TimedOut` when the process does not end.
    pub fn stop(&mut self, signal: &str) -> io::Result<ExitStatus> {
        self.signal(signal)?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not end"));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends `signal` and does not wait.
    ///
    /// # Errors
    /// When the process is gone already.
    pub fn signal(&self, signal: &str) -> io::Result<()> {
        let command = format!("kill -{signal} {}", self.pid());
        match Command::new("sh").args(["-c", &command]).status()?.success() {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "no such process")),
        }
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.map(|amount| amount * 1024).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Number of open file descriptors.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn open_files(&self) -> io::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid()))?.count())
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // Both calls fail only when the child is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The id of the process that answers on `address`, by its own account.
fn process_behind(address: SocketAddr, password: Option<&str>) -> Option<u32> {
    let mut connection = Connection::open(address, START_TIMEOUT).ok()?;
    if let Some(password) = password {
        connection.command(&["AUTH", password]).ok()?;
    }
    let information = connection.command(&["INFO", "server"]).ok()?;
    let line = information.text()?.lines().find_map(|line| line.strip_prefix("process_id:"))?;
    line.trim().parse().ok()
}

/// An address of 127.0.0.1 whose port was free a moment ago.
///
/// # Errors
/// As [`free_ports`].
pub fn free_address() -> io::Result<SocketAddr> {
    free_ports(1).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// The first of `count` neighbouring ports of 127.0.0.1 that were free a moment ago. A port is
/// given out once in the life of the process, and no other caller looks at it again: a look would
/// take the connections of the server that is to have it.
///
/// # Errors
/// `AddrNotAvailable` when there is no such row.
pub fn free_ports(count: u16) -> io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let mut choices = Choices::new(since.as_nanos() as u64 ^ u64::from(std::process::id()));
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..1000 {
        let first = PORTS.start + choices.below(PORTS.len() - usize::from(count)) as u16;
        let ports = first..first + count;
        if given.range(ports.clone()).next().is_some() {
            continue;
        }
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        if ports.clone().map(bind).collect::<io::Result<Vec<_>>>().is_ok() {
            given.extend(ports);
            return Ok(first);
        }
    }
    Err(io::ErrorKind::AddrNotAvailable.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_on_the_port_is_not_taken_for_the_child() {
        let redis = ServerBinary::at("redis-server");
        let neighbour = redis.start(1, &[]).unwrap_or_else(|error| panic!("{error}"));
        let port = Some(neighbour.address().port());
        let outcome = redis.launch(&Launch { port, ..Launch::with_shards(1) });
        assert!(matches!(outcome, Err(StartError::Exited(..))), "{outcome:?}");
    }

    #[test]
    fn no_port_is_given_out_twice() {
        let mut seen = BTreeSet::new();
        for _ in 0..2000 {
            let first = free_ports(3).expect("free ports");
            assert!((first..first + 3).all(|port| seen.insert(port)), "{first}");
        }
    }
}
