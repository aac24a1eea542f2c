//! A whole comparison: real servers, and a program in the place of the load generator that says what it
//! is told to say.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;
use crate::generator::outcome::{Ended, Figures, Latencies, Outcome, Second};

/// An outcome with that rate, of whose latencies half are 1 ms and half 3 ms.
fn outcome(rate: f64) -> Outcome {
    let mut latency = Latencies::default();
    for milliseconds in [1, 3] {
        latency.0.record_n(milliseconds * 1_000_000, 500).expect("within the bounds");
    }
    let second = |second, is_warm_up| Second {
        second,
        is_warm_up,
        length_s: 0.5,
        requests: 1000,
        errors: 0,
        p50_us: 1000.0,
        p99_us: 3000.0,
        max_us: 3000.0,
        outstanding: 0,
    };
    Outcome {
        command: "fake".to_owned(),
        elapsed_s: 1.0,
        rate,
        total: Figures { requests: 1000, latency, ..Figures::default() },
        own_cpu_us_per_request: 1.0,
        seconds: vec![second(0, true), second(1, false)],
        ..Outcome::default()
    }
}

/// A folder with a load program that asks the server and then prints what its first argument says.
struct Fake {
    folder: PathBuf,
}

impl Fake {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("compare-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("writable");
        for (name, rate) in [("slow", 1000.0), ("fast", 2000.0)] {
            let json = serde_json::to_string(&outcome(rate)).expect("JSON");
            fs::write(folder.join(name), json).expect("writable");
        }
        let failed = Outcome { ended: Ended::Failed("no more".to_owned()), ..outcome(1.0) };
        fs::write(folder.join("failed"), serde_json::to_string(&failed).expect("JSON"))
            .expect("writable");
        let script = r#"
            echo "$*" >> "${0%/*}/log"
            case "$2" in *:*) redis-cli -p "${2##*:}" -r 20000 PING > /dev/null ;; esac
            cat "${0%/*}/$1"
        "#;
        fs::write(folder.join("load.sh"), script).expect("writable");
        Self { folder }
    }

    fn loader(&self) -> Loader {
        let script = self.folder.join("load.sh").display().to_string();
        Loader { program: vec!["sh".to_owned(), script], cpus: "0".to_owned() }
    }

    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("log")).expect("it was started");
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const TWO_SERVERS: &str = r#"
title = "two servers"
rounds = 3
load_cpus = "0"
[[system]]
name = "one"
kind = "redis-server"
[[system]]
name = "other"
kind = "redis-server"
arguments = "--hz 20"
[[load]]
name = "ping"
arguments = "slow {address}"
arguments_of = { other = "fast {address}" }
prepare = "slow prepare"
"#;

fn all_rows<'a>(report: &'a Report, part: &str) -> Vec<&'a crate::compare::Row> {
    report.rows.iter().filter(|row| row.name.contains(part)).collect()
}

#[test]
fn two_servers_are_compared_in_turns_and_reported() {
    let fake = Fake::new("two");
    let scenario = scenario::parse(TWO_SERVERS).expect("a scenario");
    let report = compare(&scenario, None, &fake.loader()).expect("measured");

    // Three rounds, and one with a tracer where there is one; the other server begins the second round.
    let log = fake.log();
    let counted = !all_rows(&report, "system calls").is_empty();
    assert_eq!(log.len(), if counted { 16 } else { 12 }, "{log:?}");
    let order: Vec<&str> =
        log.iter().step_by(2).map(|line| line.split(' ').nth(1).expect("a word")).collect();
    assert!(order.iter().all(|word| *word == "prepare"), "each run is prepared: {log:?}");
    let order: Vec<&str> = log.iter().skip(1).step_by(2).take(6).map(|line| &line[..4]).collect();
    assert_eq!(order, ["slow", "fast", "fast", "slow", "slow", "fast"]);
    assert!(log.iter().all(|line| line.ends_with("--format json --no-progress")), "{log:?}");

    let [time] = all_rows(&report, "time per request")[..] else { panic!("{:?}", report.rows) };
    assert_eq!((time.peer.map(|peer| peer.median), time.own.median), (Some(1000.0), 500.0));
    assert_eq!(time.rounds, 3);
    // 20 000 PINGs cost more than nothing, and the requests of the warm-up count: 2000 in all.
    let [cpu] = all_rows(&report, "CPU per request")[..] else { panic!("{:?}", report.rows) };
    assert!(cpu.own.median > 0.0 && cpu.own.max < 20e6 / 2000.0, "{cpu:?}");
    let [resident] = all_rows(&report, "resident")[..] else { panic!("{:?}", report.rows) };
    assert!(resident.own.median > 1.0, "{resident:?}");

    let sentence = report.notes.iter().find(|note| note.starts_with("ping, other beside one:"));
    let sentence = sentence.expect("a sentence of verdicts");
    assert!(sentence.contains("requests per second better by 100.0 %"), "{sentence}");
    assert!(sentence.contains("p99 equal"), "{sentence}");

    let is_server =
        |line: &&String| line.contains("redis-server --port") && line.starts_with("taskset -c 0 ");
    assert_eq!(report.commands.iter().filter(is_server).count(), 2, "{:?}", report.commands);
    assert!(
        report.commands.iter().any(|line| line.contains("fast 127.0.0.1:")),
        "{:?}",
        report.commands
    );
    let titles: Vec<&str> = report.plots.iter().map(|plot| plot.title.as_str()).collect();
    assert_eq!(titles.len(), 4, "{titles:?}");
    for plot in &report.plots {
        let names: Vec<&str> = plot.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["one", "other"], "{}", plot.title);
    }
    // Only the second that is measured.
    let over_time =
        report.plots.iter().find(|plot| plot.title.contains("per second")).expect("there");
    assert_eq!(over_time.lines[0].points, [(1.0, 2000.0)]);
}

#[test]
fn a_load_that_fails_is_a_note_and_no_figure() {
    let fake = Fake::new("failing");
    let text =
        TWO_SERVERS.replace("fast {address}", "failed x").replace("rounds = 3", "rounds = 1");
    let scenario = scenario::parse(&text).expect("a scenario");
    let report = compare(&scenario, None, &fake.loader()).expect("measured");
    assert!(report.rows.is_empty(), "{:?}", report.rows);
    let notes: Vec<&String> = report.notes.iter().filter(|note| note.contains("FAILED")).collect();
    assert!(
        notes.iter().any(|note| note.contains("ping, other, round 1") && note.contains("no more")),
        "{notes:?}"
    );
}

#[test]
fn what_cannot_be_started_is_told_before_anything_is_measured() {
    let fake = Fake::new("broken");
    for (old, new, told) in [
        ("--hz 20", "--hz twenty", "other: "),
        (
            "arguments = \"--hz",
            "path = \"no-such-server\"\narguments = \"--hz",
            "other: no-such-server is not in PATH",
        ),
    ] {
        let scenario = scenario::parse(&TWO_SERVERS.replace(old, new)).expect("a scenario");
        let error = compare(&scenario, None, &fake.loader()).expect_err(new).to_string();
        assert!(error.starts_with(told), "{error}");
        assert!(!fake.folder.join("log").exists(), "the load was started");
    }
}

#[test]
fn all_processes_of_a_system_have_ended_with_it() {
    let text = r#"
        title = "workers"
        [[system]]
        name = "nginx"
        kind = "nginx"
        ready = "http"
        config = "worker_processes 2; events {} http { access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; server { listen {address}; location / { return 200 x; } } }"
        [[load]]
        name = "none"
        arguments = "x"
    "#;
    let scenario = scenario::parse(text).expect("a scenario");
    let host = systems::Host::new().expect("a folder");
    let nginx = host.install(&scenario.systems[0], &template::Names::default()).expect("nginx");
    for _ in 0..2 {
        let running = nginx.start().expect("it serves, each time at the same address");
        let deadline = Instant::now() + Duration::from_secs(20);
        let pids = loop {
            let pids = running.pids().expect("/proc");
            if pids.len() == 3 {
                break pids;
            }
            // The first worker serves before the second one is there.
            assert!(Instant::now() < deadline, "a master and two workers: {pids:?}");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(running.used().expect("they live").resident_bytes > 1 << 20);
        drop(running);
        for pid in pids {
            assert!(crate::process::has_ended(pid), "{pid}");
        }
    }
}

#[test]
fn every_tool_that_may_count_counts_what_the_server_does() {
    let fake = Fake::new("tools");
    let scenario = scenario::parse(TWO_SERVERS).expect("a scenario");
    let host = systems::Host::new().expect("a folder");
    let redis = host.install(&scenario.systems[0], &template::Names::default()).expect("redis");
    for tool in [syscalls::Tool::Perf, syscalls::Tool::Strace] {
        if let Some(why) = tool.refusal() {
            println!("{}: {why}", tool.name());
            continue;
        }
        let running = redis.start().expect("it serves");
        let pids = running.pids().expect("/proc");
        let arguments = ["slow".to_owned(), redis.address.to_string()];
        let counted = tool.count(&pids, &fake.loader(), &arguments, host.folder());
        let counted = counted.unwrap_or_else(|error| panic!("{}: {error}", tool.name()));
        let calls = counted.system_calls.expect("they are counted");
        // 20 000 times read and write, and waiting, for 2000 requests; the start is not in it.
        assert!((20.0..60.0).contains(&calls), "{}: {calls}", tool.name());
    }
}

#[test]
fn the_server_s_time_is_for_the_requests_of_the_warm_up_too() {
    assert_eq!(rounds::answered(&outcome(1.0)), 2000);
    assert_eq!(rounds::answered(&Outcome { seconds: Vec::new(), ..outcome(1.0) }), 1000);
}

#[test]
fn reports_have_names_of_their_own() {
    assert_eq!(report_name(Path::new("a/b/limiter.toml")), "compare-limiter");
}
