//! Job: count what the kernel does for each request: system calls, changes of context, instructions.
//! In: a program that serves, a load. Out: counts, by perf(1) or else strace(1), or why there are none.
//! Invariant: what is traced is slower, so a traced round counts for nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::rounds::answered;
use crate::child::signal;
use crate::loader::Loader;

const SYSTEM_CALLS: &str = "raw_syscalls:sys_enter";
const CONTEXT_SWITCHES: &str = "context-switches";
const INSTRUCTIONS: &str = "instructions";
/// How long strace may take to attach to a process, and to end.
const STRACE_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// perf stat, which counts all.
    Perf,
    /// strace -c, which counts system calls.
    Strace,
}

/// Counts per answered request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PerRequest {
    /// System calls.
    pub system_calls: Option<f64>,
    /// Times at which another thread got the CPU.
    pub context_switches: Option<f64>,
    /// Instructions.
    pub instructions: Option<f64>,
}

/// The tool that works here.
///
/// # Errors
/// Why none does: they are not installed or not permitted.
pub fn find_tool() -> Result<Tool, String> {
    let mut refusals = Vec::new();
    for tool in [Tool::Perf, Tool::Strace] {
        match tool.refusal() {
            None => return Ok(tool),
            Some(why) => refusals.push(format!("{}: {why}", tool.name())),
        }
    }
    Err(refusals.join("; "))
}

/// Why a program does not do something, or `None` if it does.
fn refusal(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Err(error) => Some(error.to_string()),
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().map(str::trim).find(|line| !line.is_empty());
            Some(first.map_or_else(|| output.status.to_string(), str::to_owned))
        }
    }
}

impl Tool {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf",
            Self::Strace => "strace",
        }
    }

    /// Why it does not work here, or `None` if it does.
    pub fn refusal(self) -> Option<String> {
        match self {
            Self::Perf => refusal(self.name(), &["stat", "-e", SYSTEM_CALLS, "true"]),
            Self::Strace => refusal(self.name(), &["-c", "-f", "true"]),
        }
    }

    /// Counts what `pids` do while a load runs. The files of the tool go to `folder`.
    ///
    /// # Errors
    /// The load or the tool fails.
    pub fn count(
        self,
        pids: &[u32],
        loader: &Loader,
        arguments: &[String],
        folder: &Path,
    ) -> io::Result<PerRequest> {
        let file = folder.join("counts");
        match self {
            Self::Perf => perf(pids, loader, arguments, &file),
            Self::Strace => strace(pids, loader, arguments, &file),
        }
    }
}

/// perf counts as long as the load runs, which it starts itself; also in threads that begin later.
fn perf(
    pids: &[u32],
    loader: &Loader,
    arguments: &[String],
    file: &Path,
) -> io::Result<PerRequest> {
    let pids = list(pids);
    let events = [SYSTEM_CALLS, CONTEXT_SWITCHES, INSTRUCTIONS].join(",");
    let file_name = file.display().to_string();
    let before = ["perf", "stat", "-x", ";", "-e", &events, "-p", &pids, "-o", &file_name, "--"];
    let outcome = loader.observe(&before.map(str::to_owned), arguments)?;
    let text = fs::read_to_string(file)?;
    let requests = answered(&outcome);
    let count = |event| per(perf_count(&text, event), requests);
    Ok(PerRequest {
        system_calls: count(SYSTEM_CALLS),
        context_switches: count(CONTEXT_SWITCHES),
        instructions: count(INSTRUCTIONS),
    })
}

/// strace attaches before the load and goes after it.
fn strace(
    pids: &[u32],
    loader: &Loader,
    arguments: &[String],
    file: &Path,
) -> io::Result<PerRequest> {
    let mut tracer = Command::new("strace")
        .args(["-c", "-f", "-o"])
        .arg(file)
        .args(["-p", &list(pids)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let attached = wait_for(|| pids.iter().all(|pid| is_traced(*pid)));
    let outcome =
        if attached { loader.observe(&[], arguments) } else { Err(io::Error::other("refused")) };
    // Its figures are written when it is interrupted.
    signal("-INT", &[tracer.id()]);
    if !wait_for(|| !matches!(tracer.try_wait(), Ok(None))) {
        tracer.kill()?;
    }
    tracer.wait()?;
    let requests = answered(&outcome?);
    let system_calls = per(strace_count(&fs::read_to_string(file)?), requests);
    Ok(PerRequest { system_calls, ..PerRequest::default() })
}

fn list(pids: &[u32]) -> String {
    pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn wait_for(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + STRACE_TIMEOUT;
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
    true
}

/// Whether all threads of a process have a tracer.
fn is_traced(pid: u32) -> bool {
    let threads = |folder: PathBuf| -> io::Result<bool> {
        for entry in fs::read_dir(folder)? {
            let text = fs::read_to_string(entry?.path().join("status"))?;
            let tracer = text.lines().find_map(|line| line.strip_prefix("TracerPid:"));
            if tracer.is_none_or(|tracer| tracer.trim() == "0") {
                return Ok(false);
            }
        }
        Ok(true)
    };
    threads(PathBuf::from(format!("/proc/{pid}/task"))).unwrap_or(false)
}

fn per(count: Option<u64>, requests: u64) -> Option<f64> {
    (requests > 0).then_some(count? as f64 / requests as f64)
}

/// A count of `perf stat -x ;`: count, unit, event, ...; "<not supported>" is none.
fn perf_count(text: &str, event: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut fields = line.split(';');
        let count = fields.next()?.trim().parse().ok()?;
        // The event may say which part of it was counted, as in instructions:u.
        let name = fields.nth(1)?;
        (name == event || name.strip_prefix(event)?.starts_with(':')).then_some(count)
    })
}

/// The total of `strace -c`: % time, seconds, microseconds per call, calls, perhaps errors, "total".
fn strace_count(text: &str) -> Option<u64> {
    let total = text.lines().rev().find(|line| line.trim_end().ends_with("total"))?;
    total.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perf_counts_are_found_by_their_event() {
        let text = "# started on Thu\n\n290;;raw_syscalls:sys_enter;1271350;100.00;;\n\
                    7;;context-switches:u;1271350;100.00;;\n<not supported>;;instructions;0;100.00;;\n";
        assert_eq!(perf_count(text, SYSTEM_CALLS), Some(290));
        assert_eq!(perf_count(text, CONTEXT_SWITCHES), Some(7));
        assert_eq!(perf_count(text, INSTRUCTIONS), None);
        assert_eq!(perf_count(text, "context"), None);
        assert_eq!((per(Some(290), 145), per(Some(1), 0), per(None, 1)), (Some(2.0), None, None));
    }

    #[test]
    fn the_total_of_strace_is_found_with_and_without_errors() {
        let table = "% time seconds usecs/call calls errors syscall\n------ ---\n\
                     50.00    0.1           0         2           close\n------ ---\n";
        let total = |line: &str| strace_count(&format!("{table}{line}\n"));
        assert_eq!(total("100.00    0.000000           0         3           total"), Some(3));
        assert_eq!(total("100.00    0.000000           0        30         2 total"), Some(30));
        assert_eq!(strace_count(table), None);
    }

    #[test]
    fn what_is_missing_is_told() {
        assert!(
            refusal("no-such-program-here", &[]).is_some_and(|why| why.contains("No such file"))
        );
        assert_eq!(
            refusal("sh", &["-c", "echo not permitted >&2; exit 1"]).as_deref(),
            Some("not permitted")
        );
        assert_eq!(refusal("sh", &["-c", "exit 0"]), None);
    }
}
