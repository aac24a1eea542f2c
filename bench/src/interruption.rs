//! Job: leave nothing behind when a bench is interrupted (Ctrl-C, SIGTERM, a terminal that is gone).
//! In: the signal. Out: all processes that were started have ended, their folders are gone, exit code 130.
//! Invariant: no process begins once the end has begun; an interrupted bench writes no report.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ringlet_runtime::signals::{HangUp, Signals};

use crate::child::signal;
use crate::process;

/// The exit code of a process that was interrupted, as shells have it.
const INTERRUPTED: i32 = 130;
/// How long the processes may take to go once they are killed.
const END_TIMEOUT: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

static STARTS: Mutex<()> = Mutex::new(());

/// Held by whoever starts a process until it has been started, and by whoever ends this one: it waits for
/// ever once the end has begun.
pub fn starting() -> MutexGuard<'static, ()> {
    STARTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on signals end all that this process has started, and then itself. To be called before
/// there is another thread.
///
/// # Errors
/// The signals cannot be blocked, or their thread not be started.
pub fn prepare() -> Result<(), String> {
    let signals = Signals::block(HangUp::Report)
        .map_err(|error| format!("signals cannot be blocked: {error}"))?;
    let thread = signals.deliver(|_| end());
    thread.map(drop).map_err(|error| format!("the signal thread cannot be started: {error}"))
}

fn end() {
    // Never given back: nobody starts anything any more.
    let _no_starts = starting();
    end_descendants(std::process::id());
    remove_folders(&std::env::temp_dir(), std::process::id());
    eprintln!("ringlet-bench: interrupted; all that was started has ended, no report was written");
    std::process::exit(INTERRUPTED);
}

/// Ends them by force: they are at work for nobody, and a tracer among them may hold others.
fn end_descendants(pid: u32) {
    let deadline = Instant::now() + END_TIMEOUT;
    while Instant::now() < deadline {
        let left = process::descendants(pid).into_iter().filter(|child| !child.has_ended());
        let left: Vec<u32> = left.map(|child| child.pid).collect();
        if left.is_empty() {
            return;
        }
        signal("-KILL", &left);
        thread::sleep(POLL_INTERVAL);
    }
}

/// Removes what the benches of this process keep for their servers: `ringlet-bench-PID`,
/// `ringlet-bench-compare-PID-0` and the like.
fn remove_folders(temporary: &Path, pid: u32) {
    let pid = pid.to_string();
    // What stays behind does no harm.
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix("ringlet-bench-"));
        if rest.is_some_and(|rest| rest.split('-').any(|part| part == pid)) {
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_this_process_are_removed() {
        let temporary = std::env::temp_dir().join(format!("interruption-{}", std::process::id()));
        let folders = ["ringlet-bench-12", "ringlet-bench-compare-12-0", "ringlet-bench-121", "12"];
        for folder in folders {
            fs::create_dir_all(temporary.join(folder).join("inside")).expect("writable");
        }
        fs::write(temporary.join("ringlet-bench-perf-12"), "").expect("writable");
        remove_folders(&temporary, 12);
        let mut left: Vec<String> = fs::read_dir(&temporary)
            .expect("readable")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        assert_eq!(left, ["12", "ringlet-bench-121"]);
        fs::remove_dir_all(&temporary).expect("removable");
    }
}
