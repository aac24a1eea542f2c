//! Job: hold the load generator against redis-benchmark, on the same server.
//! In: redis-server on one CPU, both generators in turn on another. Out: failed assertions.
//! Invariant: medians of ratios round by round, so that what disturbs the machine meets both.

use std::process::Command;
use std::thread;

#[path = "peers/program.rs"]
mod program;
#[path = "peers/servers.rs"]
mod servers;

use std::fs;

use program::load;
use servers::{redis, url};

const ROUNDS: usize = 5;

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Requests per second and clock ticks of CPU time of the generator.
type Measured = (f64, u64);

fn with_cpu(run: impl FnOnce() -> f64) -> Measured {
    let before = cpu_of_ended_children();
    let rate = run();
    (rate, cpu_of_ended_children() - before)
}

/// User and system time of the children that this process has waited for, in clock ticks (proc(5), the
/// fields cutime and cstime of stat).
fn cpu_of_ended_children() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").expect("proc");
    let (_, fields) = text.rsplit_once(')').expect("a name");
    let ticks = |text: &str| text.parse::<u64>().expect("a number");
    fields.split_ascii_whitespace().skip(13).take(2).map(ticks).sum()
}

fn pin(pid: u32, cpu: &str) {
    let status = Command::new("taskset").args(["-acp", cpu, &pid.to_string()]).output();
    assert!(status.expect("taskset (Debian package util-linux)").status.success());
}

#[test]
fn closed_loops_agree_and_ours_takes_less_cpu() {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        println!("one CPU cannot carry a server and a generator side by side");
        return;
    }
    let server = redis(&[]);
    pin(server.pid(), "0");
    pin(std::process::id(), "1");
    let (url, port) = (url(&server), server.address().port().to_string());
    for (pipeline, requests) in [("1", "100000"), ("16", "800000")] {
        let own = || {
            let said = load(&[
                &url,
                "--ratio",
                "0:1",
                "--connections",
                "50",
                "--pipeline",
                pipeline,
                "--requests",
                requests,
                "--warm-up",
                "0s",
                "--keys",
                "100000",
                "--value-bytes",
                "3",
            ]);
            said.must_be_complete().number("/rate")
        };
        let theirs = || {
            let output = Command::new("redis-benchmark")
                .args(["-p", &port, "-t", "get", "-c", "50", "-P", pipeline, "-n", requests])
                .args(["-r", "100000", "--csv"])
                .output()
                .expect("redis-benchmark (Debian package redis-tools)");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let field = |line: &str| line.split(',').nth(1)?.trim_matches('"').parse().ok();
            text.lines().rev().find_map(field).expect("a rate")
        };
        let (mut rates, mut cpu) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let (ours, other) = if round % 2 == 0 {
                let ours = with_cpu(own);
                (ours, with_cpu(theirs))
            } else {
                let other = with_cpu(theirs);
                (with_cpu(own), other)
            };
            rates.push(ours.0 / other.0);
            cpu.push(ours.1 as f64 / other.1 as f64);
        }
        println!("pipeline {pipeline}: rates {rates:.2?}, CPU per request {cpu:.2?}");
        let (rate, cpu) = (median(rates), median(cpu));
        assert!((0.85..=1.15).contains(&rate), "pipeline {pipeline}: {rate:.2} of redis-benchmark");
        assert!(cpu < 1.0, "pipeline {pipeline}: {cpu:.2} of redis-benchmark's CPU time");
    }
}
