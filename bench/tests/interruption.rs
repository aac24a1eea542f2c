//! A bench that is interrupted: nothing that it has started stays.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const SCENARIO: &str = r#"
title = "interrupted"
server_cpus = "0"
load_cpus = "0"
[[system]]
name = "redis-server"
kind = "redis-server"
[[load]]
name = "long"
arguments = "redis://{address} --time 100s --connections 2 --share-cpu"
"#;

/// Processes that a process has started and not heard the end of.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().map(|pid| pid.parse().expect("a process id")).collect()
}

fn is_named(pid: u32, name: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
}

#[test]
fn a_comparison_leaves_no_process_and_no_folder_behind() {
    let folder = empty_folder("interrupted-compare");
    let scenario = folder.join("scenario.toml");
    fs::write(&scenario, SCENARIO).expect("writable");
    interrupt(&folder, &["compare", &scenario.display().to_string()]);
    assert!(!folder.join("compare-scenario.json").exists(), "no report of half a run");
}

#[test]
fn a_suite_says_that_it_was_interrupted_and_not_that_its_load_died() {
    let folder = empty_folder("interrupted-memory");
    // The peer comes first, and takes its time to be filled.
    interrupt(&folder, &["memory", "--server", "redis-server", "--load-cpu", "0"]);
    assert!(!folder.join("memory.json").exists(), "no report of half a run");
}

fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("temporary")).expect("writable");
    folder
}

/// Interrupts a bench once a redis-server is under load.
fn interrupt(folder: &Path, arguments: &[&str]) {
    let temporary = folder.join("temporary");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_ringlet-bench"))
        .args(arguments)
        .arg("--output")
        .arg(folder)
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    // The server, and who asks it.
    let started = loop {
        let found = children(bench.id());
        let is_there = |name: &&str| found.iter().any(|pid| is_named(*pid, name));
        if ["redis-server", "ringlet-bench"].iter().all(is_there) {
            break found;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        thread::sleep(Duration::from_millis(10));
    };
    let told = Command::new("kill").arg("-TERM").arg(bench.id().to_string()).status();
    assert!(told.expect("kill").success());
    assert_eq!(bench.wait().expect("it ends").code(), Some(130));
    for pid in started {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_gone = state.is_empty() || state.contains(") Z ");
        assert!(is_gone, "{pid} is left: {state}");
    }
    assert_eq!(fs::read_dir(&temporary).expect("readable").count(), 0);
    let said = BufReader::new(bench.stderr.take().expect("piped")).lines();
    let last = said.map_while(Result::ok).last().unwrap_or_default();
    assert!(last.contains("interrupted"), "{last}");
}
