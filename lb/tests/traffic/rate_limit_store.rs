//! Rate limits that several balancers share through a store.
//!
//! Job: count what two balancers let through together, and what they do while the store is gone. In:
//! bursts, a Redis that is stopped and killed. Out: sums, statuses. Invariant: windows are so long that none
//! ends within a test.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::harness::{Backend, Balancer, DEADLINE, free_port};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A Redis of its own.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start(port: u16) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("redis-server is installed");
        let end = Instant::now() + DEADLINE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "redis-server does not listen");
            thread::yield_now();
        }
        Self { child, port }
    }

    fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &process]).status().expect("there is kill");
        assert!(status.success(), "kill {signal} {process}");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A balancer of two cores with a rule, which counts by `x-key`.
fn file(port: u16, store: &str, rule: &str) -> String {
    format!(
        "[global]\ncores = 2\n[[listener]]\nbind = \"BIND\"\ndefault_pool = \"p\"\n\
         rate_limit = \"shared\"\n[pool.p]\nservers = [\"SERVER0\"]\n\
         [rate_limits.store]\naddress = \"127.0.0.1:{port}\"\n{store}\n\
         [rate_limit.shared]\nkey = \"header:x-key\"\n{rule}\n"
    )
}

fn get(key: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n")
}

/// How many of so many requests over each of four connections are let in.
fn admitted(balancer: &Balancer, requests: usize, key: &str) -> usize {
    let ask_all = || {
        let mut wire = balancer.connect();
        let statuses = (0..requests).map(|_| wire.ask(get(key)).status());
        statuses.filter(|status| *status == 200).count()
    };
    thread::scope(|scope| {
        let askers: Vec<_> = (0..4).map(|_| scope.spawn(ask_all)).collect();
        askers.into_iter().map(|asker| asker.join().expect("it asks")).sum()
    })
}

/// Asks with keys that are never used again until each core has been found to reach the store.
fn wait_for_store(balancer: &Balancer) {
    static USED: AtomicUsize = AtomicUsize::new(0);
    let end = Instant::now() + DEADLINE;
    let mut in_a_row = 0;
    while in_a_row < 30 {
        assert!(Instant::now() < end, "the store is not reached");
        let number = USED.fetch_add(1, Ordering::Relaxed);
        let is_allowed = balancer.ask(get(&format!("try{number}"))).status() == 200;
        in_a_row = if is_allowed { in_a_row + 1 } else { 0 };
    }
}

#[test]
fn two_balancers_share_one_limit() {
    const LIMIT: usize = 300;
    let redis = Redis::start(free_port());
    let backend = Backend::answering(OK);
    for algorithm in ["fixed-window", "token-bucket"] {
        let rule = format!(
            "algorithm = \"{algorithm}\"\nlimit = {LIMIT}\nwindow = \"20h\"\n\
             on_store_failure = \"closed\""
        );
        let store = format!("timeout = \"2s\"\nnodes = 2\nprefix = \"{algorithm}\"");
        let text = file(redis.port, &store, &rule);
        let balancers = [0, 1].map(|_| Balancer::of_file(&text, &[&backend]));
        balancers.iter().for_each(wait_for_store);
        let sum_of_burst = |requests: usize| -> usize {
            thread::scope(|scope| {
                let burst = |balancer| scope.spawn(move || admitted(balancer, requests, "key"));
                let bursts = balancers.each_ref().map(burst);
                bursts.into_iter().map(|burst| burst.join().expect("a burst")).sum()
            })
        };
        let end = Instant::now() + DEADLINE;
        let mut sum = 0;
        // A token that one has taken ahead may be in the other's way until it is given back.
        while sum < LIMIT {
            assert!(Instant::now() < end, "{algorithm}: only {sum}");
            sum += sum_of_burst(100);
            assert!(sum <= LIMIT, "{algorithm}: {sum}");
        }
        assert_eq!(sum_of_burst(20), 0, "{algorithm}: nothing is left");
    }
}

#[test]
fn a_balancer_that_ends_gives_its_tokens_back() {
    const LIMIT: usize = 40;
    let redis = Redis::start(free_port());
    let backend = Backend::answering(OK);
    let rule = format!(
        "algorithm = \"fixed-window\"\nlimit = {LIMIT}\nwindow = \"20h\"\n\
         on_store_failure = \"closed\""
    );
    let text = file(redis.port, "timeout = \"2s\"\nlease_percent = 50", &rule);
    let mut sum = 0;
    for _ in 0..3 {
        let mut balancer = Balancer::of_file(&text, &[&backend]);
        wait_for_store(&balancer);
        sum += admitted(&balancer, 2, "key");
        balancer.terminate();
    }
    let balancer = Balancer::of_file(&text, &[&backend]);
    wait_for_store(&balancer);
    sum += admitted(&balancer, 20, "key");
    assert_eq!(sum, LIMIT);
}

#[test]
fn without_the_store_each_rule_does_what_it_says() {
    let backend = Backend::answering(OK);
    for (policy, expected) in [("share", 5), ("closed", 0), ("open", 40)] {
        let redis = Redis::start(free_port());
        let rule = format!(
            "algorithm = \"fixed-window\"\nlimit = 10\nwindow = \"20h\"\n\
             on_store_failure = \"{policy}\""
        );
        let text = file(redis.port, "timeout = \"200ms\"\nnodes = 2", &rule);
        let balancer = Balancer::of_file(&text, &[&backend]);
        wait_for_store(&balancer);
        assert!(balancer.ask(get("before")).status() == 200, "{policy}");
        let port = redis.port;
        drop(redis);
        assert_eq!(admitted(&balancer, 10, "key"), expected, "{policy}");
        let is_denied = balancer.ask(get("key")).status() != 200;
        assert_eq!(is_denied, policy != "open", "{policy}");

        // It comes back, and has forgotten all.
        let _redis = Redis::start(port);
        if policy == "closed" {
            wait_for_store(&balancer);
            assert_eq!(admitted(&balancer, 10, "after"), 10, "{policy}");
        }
    }
}

#[test]
fn who_leaves_while_the_store_thinks_has_taken_nothing() {
    let redis = Redis::start(free_port());
    let backend = Backend::answering(OK);
    let rule = "algorithm = \"fixed-window\"\nlimit = 1\nwindow = \"20h\"\n\
                on_store_failure = \"closed\"";
    let text = file(redis.port, "timeout = \"10s\"", rule);
    let balancer = Balancer::of_file(&text, &[&backend]);
    wait_for_store(&balancer);
    redis.signal("-STOP");
    let mut leaving = balancer.connect();
    leaving.send("POST / HTTP/1.1\r\nHost: a\r\nX-Key: key\r\nContent-Length: 30\r\n\r\nabc");
    leaving.end_writing();
    let got = leaving.read_to_end().0;
    assert!(got.is_empty(), "{}", String::from_utf8_lossy(&got));
    redis.signal("-CONT");
    let end = Instant::now() + DEADLINE;
    while balancer.ask(get("key")).status() != 200 {
        assert!(Instant::now() < end, "the token does not come back");
    }
    assert_eq!(balancer.ask(get("key")).status(), 429);
    assert!(!backend.text().contains("POST"));
}
