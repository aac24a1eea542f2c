//! Job: start a process on given CPUs, wait until it serves, and end it.
//! In: a binary, its arguments, CPUs. Out: a process id, free addresses of 127.0.0.1.
//! Invariant: a dropped [`Child`] has ended its own process, by its handle, and nothing else.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Why a process could not be started.
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

/// A running process.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    path: PathBuf,
}

/// An address that nobody listens on at present.
///
/// # Errors
/// No port is free.
pub fn free_address() -> Result<SocketAddr, LaunchError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| LaunchError(format!("no free port: {error}")))
}

impl Child {
    /// Starts the binary at `path` on `cpus`, a CPU list as taskset(1) takes it.
    ///
    /// # Errors
    /// The binary or taskset is missing.
    pub fn start<A: AsRef<OsStr>>(
        path: &Path,
        cpus: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self, LaunchError> {
        let process = Command::new("taskset")
            .arg("-c")
            .arg(cpus)
            .arg(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| LaunchError(format!("{}: {error}", path.display())))?;
        Ok(Self { process, path: path.to_owned() })
    }

    /// Waits until the process `serves`.
    ///
    /// # Errors
    /// It has ended, or takes too long.
    pub fn wait_until(&mut self, mut serves: impl FnMut() -> bool) -> Result<(), LaunchError> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if serves() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(self.failed(&format!("ended at once, {status}")));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Err(self.failed("does not answer"))
    }

    /// Its process id: taskset has become the binary by exec.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    fn failed(&self, what: &str) -> LaunchError {
        LaunchError(format!("{}: {what}", self.path.display()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both calls fail only when the process is gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ends_at_once_is_an_error() {
        let mut child = Child::start(Path::new("false"), "0", [""; 0]).expect("taskset");
        let error = child.wait_until(|| false).expect_err("it never serves");
        assert!(error.to_string().starts_with("false: ended at once"), "{error}");
    }
}
