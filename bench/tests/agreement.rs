//! Job: hold the load generator against redis-benchmark, on the same server.
//! In: redis-server on one CPU, both generators in turn on another. Out: failed assertions.
//! Invariant: medians of ratios round by round, so that what disturbs the machine meets both.

use std::process::Command;
use std::thread;

#[path = "peers/program.rs"]
mod program;
#[path = "peers/questions.rs"]
mod questions;
#[path = "peers/servers.rs"]
mod servers;

use std::fs;

use program::load;
use questions::ask;
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

/// What both ask, so often.
struct Case<'a> {
    name: &'a str,
    own: &'a [&'a str],
    theirs: &'a [&'a str],
    pipeline: &'a str,
    requests: &'a str,
}

impl Case<'_> {
    fn own(&self, url: &str) -> f64 {
        let words =
            ["--connections", "50", "--pipeline", self.pipeline, "--requests", self.requests];
        load(&[&[url], &words[..], self.own].concat()).must_be_complete().number("/rate")
    }

    fn theirs(&self, port: &str) -> f64 {
        let output = Command::new("redis-benchmark")
            .args(["-p", port, "-c", "50", "-P", self.pipeline, "-n", self.requests])
            .args(["-r", "100000", "--csv"])
            .args(self.theirs)
            .output()
            .expect("redis-benchmark (Debian package redis-tools)");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let field = |line: &str| line.split(',').nth(1)?.trim_matches('"').parse().ok();
        text.lines().rev().find_map(field).expect("a rate")
    }

    /// Medians over the rounds: throughput and CPU time per request, ours over theirs.
    fn compare(&self, url: &str, port: &str) -> (f64, f64) {
        let (mut rates, mut cpu) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let (ours, theirs) = if round % 2 == 0 {
                let ours = with_cpu(|| self.own(url));
                (ours, with_cpu(|| self.theirs(port)))
            } else {
                let theirs = with_cpu(|| self.theirs(port));
                (with_cpu(|| self.own(url)), theirs)
            };
            rates.push(ours.0 / theirs.0);
            cpu.push(ours.1 as f64 / theirs.1 as f64);
        }
        println!("{}: rates {rates:.2?}, CPU per request {cpu:.2?}", self.name);
        (median(rates), median(cpu))
    }
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
    // Counting the bits of this keeps the server busy for longer than any generator, so that its limit
    // is what both measure.
    ask(&server, &["SETRANGE", "big", "200000", "x"]);
    let slow = Case {
        name: "a slow command",
        own: &["--command", "BITCOUNT big"],
        theirs: &["BITCOUNT", "big"],
        pipeline: "1",
        requests: "10000",
    };
    let (rate, _) = slow.compare(&url, &port);
    assert!((0.85..=1.15).contains(&rate), "{rate:.2} of redis-benchmark's throughput");
    for (pipeline, requests) in [("1", "100000"), ("16", "800000")] {
        let get = Case {
            name: &format!("GET, pipeline {pipeline}"),
            own: &["--ratio", "0:1", "--keys", "100000"],
            theirs: &["-t", "get"],
            pipeline,
            requests,
        };
        let (_, cpu) = get.compare(&url, &port);
        assert!(cpu < 1.0, "pipeline {pipeline}: {cpu:.2} of redis-benchmark's CPU time");
    }
}
