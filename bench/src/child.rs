//! Job: start a process on given CPUs, wait until it serves, and end it.
//! In: a binary, its arguments, CPUs. Out: a process id, free addresses of 127.0.0.1.
//! Invariant: a dropped [`Child`] has ended its own process, by its handle, and those that this one has
//! started, and nothing else; what a process says is heard only when it fails.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::{interruption, process, shell};

const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a process may take to end its children.
const END_TIMEOUT: Duration = Duration::from_secs(3);
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

/// What is shown of the messages of a process that failed.
const MESSAGE_BYTES: usize = 2000;

/// A running process.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    path: PathBuf,
    command: String,
    /// Its standard error, which is shown only when it fails; a file without a name.
    messages: File,
}

/// Ports that the kernel gives to nobody by itself (ip_local_port_range begins above them), so that no
/// client takes one while its server is being started anew.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// An address that nobody listens on at present.
///
/// # Errors
/// No port is free.
pub fn free_address() -> Result<SocketAddr, LaunchError> {
    free_addresses::<1>().map(|[address]| address)
}

/// Different addresses that nobody listens on at present, and that were not given out before.
///
/// # Errors
/// Too few ports are free.
pub fn free_addresses<const COUNT: usize>() -> Result<[SocketAddr; COUNT], LaunchError> {
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); COUNT];
    for address in &mut addresses {
        address.set_port(free_ports_in_row(1)?);
    }
    Ok(addresses)
}

/// The first of so many ports in a row that nobody listens on at present, and that were not given out
/// before.
///
/// # Errors
/// No such row was found.
pub fn free_ports_in_row(count: u16) -> Result<u16, LaunchError> {
    static GIVEN: AtomicU64 = AtomicU64::new(0);
    // Benches beside each other begin at different ports.
    let begin = u64::from(std::process::id()).wrapping_mul(2_654_435_761);
    let step = u64::from(count.max(1));
    for _ in 0..PORTS.len() as u64 / step {
        let place = begin.wrapping_add(GIVEN.fetch_add(step, Ordering::Relaxed));
        let first = PORTS.start + (place % PORTS.len() as u64) as u16;
        let row = first..first.saturating_add(count);
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        if row.end <= PORTS.end && row.map(bind).collect::<io::Result<Vec<_>>>().is_ok() {
            return Ok(first);
        }
    }
    Err(LaunchError(format!("no {count} free ports in a row")))
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
        let failed = |error: io::Error| LaunchError(format!("{}: {error}", path.display()));
        let messages = nameless_file().map_err(failed)?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(cpus).arg(path).args(arguments);
        let line = line_of(&command);
        let _starting = interruption::starting();
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(messages.try_clone().map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        Ok(Self { process, path: path.to_owned(), command: line, messages })
    }

    /// Waits until the process `serves`.
    ///
    /// # Errors
    /// It has ended, or takes too long.
    pub fn wait_until(&mut self, mut serves: impl FnMut() -> bool) -> Result<(), LaunchError> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            let is_served = serves();
            // Who has ended serves nobody: another process may answer at its address.
            if let Ok(Some(status)) = self.process.try_wait() {
                let hint = if status.success() {
                    "; it must stay in the foreground (what it left in the background may still run)"
                } else {
                    ""
                };
                return Err(self.failed(&format!("ended at once, {status}{hint}")));
            }
            if is_served {
                return Ok(());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Err(self.failed("does not answer"))
    }

    /// Its process id: taskset has become the binary by exec.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The command line that started it.
    pub fn command(&self) -> &str {
        &self.command
    }

    fn failed(&self, what: &str) -> LaunchError {
        let mut messages = Vec::new();
        let mut file = &self.messages;
        // Without its messages the failure still says what failed.
        let _ = file.rewind().and_then(|()| file.read_to_end(&mut messages));
        let last = &messages[messages.len().saturating_sub(MESSAGE_BYTES)..];
        let last = String::from_utf8_lossy(last);
        LaunchError(format!("{}: {what}\n{}", self.path.display(), last.trim_end()))
    }
}

/// A command as one line for a shell.
pub fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    shell::line(words.iter().map(String::as_str))
}

/// A file that nobody else can find, and that is gone when nobody has it open.
fn nameless_file() -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("ringlet-bench-{}-messages-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = File::options().read(true).append(true).create_new(true).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

impl Child {
    /// Has a process with children (an nginx with workers) end them itself; those that it leaves behind
    /// (a script that dies of the signal) are ended.
    fn end_children(&mut self) {
        let pid = self.process.id();
        let mut children = process::descendants(pid);
        if children.is_empty() {
            return;
        }
        signal("-TERM", &[pid]);
        if !wait_for(|| !matches!(self.process.try_wait(), Ok(None))) {
            // It has not been waited for, so its id is still its own.
            children = process::descendants(pid);
        }
        let are_gone = || children.iter().all(|child| child.has_ended());
        if !are_gone() {
            let left = children.iter().filter(|child| !child.has_ended());
            signal("-KILL", &left.map(|child| child.pid).collect::<Vec<_>>());
            // They go by themselves, and until then they may still listen.
            wait_for(are_gone);
        }
    }
}

/// Whether something comes about in the time that processes have for their end.
fn wait_for(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + END_TIMEOUT;
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
    true
}

/// Sends a signal, by kill(1), as the standard library knows only one.
pub fn signal(name: &str, pids: &[u32]) {
    if !pids.is_empty() {
        // It fails for processes that are gone already.
        let _ = Command::new("kill").arg(name).args(pids.iter().map(u32::to_string)).output();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end_children();
        // Both calls fail only when the process is gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ends_at_once_is_an_error_with_its_messages() {
        let arguments = ["-c", "echo no such option >&2; exit 3"];
        let mut child = Child::start(Path::new("sh"), "0", arguments).expect("taskset");
        let error = child.wait_until(|| false).expect_err("it never serves").to_string();
        assert!(error.starts_with("sh: ended at once, exit status: 3"), "{error}");
        assert!(error.ends_with("no such option"), "{error}");
    }

    #[test]
    fn who_has_ended_does_not_serve_whoever_answers() {
        for (script, says) in [
            ("exit 0", "sh: ended at once, exit status: 0; it must stay in the foreground (what"),
            ("exit 1", "sh: ended at once, exit status: 1"),
        ] {
            let mut child = Child::start(Path::new("sh"), "0", ["-c", script]).expect("taskset");
            let pid = child.pid();
            let serves = || {
                while !process::has_ended(pid) {
                    thread::sleep(POLL_INTERVAL);
                }
                true
            };
            let error = child.wait_until(serves).expect_err("it has ended").to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }

    #[test]
    fn ports_are_given_out_once_and_never_those_of_listeners() {
        let row = free_ports_in_row(3).expect("three");
        let [one, other] = free_addresses().expect("two").map(|address| address.port());
        let given = [row, row + 1, row + 2, one, other];
        let different: std::collections::BTreeSet<u16> = given.into_iter().collect();
        assert_eq!(different.len(), given.len(), "{given:?}");
        assert!(given.iter().all(|port| PORTS.contains(port)), "{given:?}");
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, other + 1));
        assert_ne!(free_address().expect("one").port(), other + 1);
    }

    #[test]
    fn a_dropped_child_has_ended_its_children_also_if_it_does_not_care() {
        for care in ["trap 'kill $!; wait $!; exit' TERM", "trap '' TERM", ":"] {
            let script = format!("{care}; sleep 1000 & wait; wait");
            let child = Child::start(Path::new("sh"), "0", ["-c", &script]).expect("taskset");
            let deadline = Instant::now() + START_TIMEOUT;
            let sleeper = loop {
                assert!(Instant::now() < deadline, "no child");
                let found = process::tree(child.pid()).expect("/proc");
                let is_sleep = |pid: &&u32| {
                    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c == "sleep\n")
                };
                match found.iter().skip(1).find(is_sleep) {
                    Some(pid) => break *pid,
                    None => thread::sleep(POLL_INTERVAL),
                }
            };
            drop(child);
            assert!(process::has_ended(sleeper), "{care}");
        }
    }
}
