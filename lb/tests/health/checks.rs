//! What checks ask, how often, and what a reload does to them.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::backend::{Answer, Backend};
use crate::balancer::{Balancer, free_address};
use crate::{http_pool, pool_of, server};

fn check(more: &str) -> String {
    format!(
        "balance = \"first\"\nejection = false\n\
         check = {{ http = \"/health\", interval = \"100ms\", fast_interval = \"50ms\", {more} }}"
    )
}

fn status(code: u16) -> Answer {
    Answer::Status(code, String::new())
}

#[test]
fn so_many_results_in_a_row_are_needed_also_over_a_reload() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let settings = check("fall = 4, rise = 5");
    let balancer = Balancer::start(2, &http_pool(&settings, &[("a", &a), ("b", &b)]));
    // The first result alone decides.
    a.wait_for_checks(2);
    let before = a.answer_checks(status(500));
    balancer.wait_for_log("api/a is DOWN: status 500");
    assert!(a.checks() >= before + 4, "{} after {before}", a.checks());
    // The reload changes the pool, and makes a new check for it if it does not know the old one.
    let before = a.answer_checks(status(200));
    balancer.reload(&http_pool(&(settings + "\nqueue_max = 7"), &[("b", &b), ("a", &a)]));
    assert_eq!(balancer.get("/").1, "b");
    balancer.wait_for_log("api/a is UP");
    assert!(a.checks() >= before + 5, "{} after {before}", a.checks());
    assert_eq!(balancer.count_log("is DOWN"), 1);
}

#[test]
fn status_and_body_must_be_as_expected() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::start);
    b.answer_checks(Answer::Status(200, "all is lost".into()));
    c.answer_checks(Answer::Status(204, String::new()));
    let settings = check("status = [\"200-203\"], body = \"well\", fall = 1");
    let servers = [("c", &c), ("b", &b), ("a", &a)];
    let balancer = Balancer::start(2, &http_pool(&settings, &servers));
    balancer.wait_for_log("api/b is DOWN: the body does not contain \"well\"");
    balancer.wait_for_log("api/c is DOWN: status 204");
    assert_eq!(balancer.get("/"), (200, "a".to_owned()));
}

#[test]
fn probes_do_not_grow_with_cores() {
    const CHECKS: u32 = 10;
    for cores in [1, 2, 4] {
        let servers = [Backend::start("a"), Backend::start("b"), Backend::start("c")];
        let named = [("a", &servers[0]), ("b", &servers[1]), ("c", &servers[2])];
        let started = Instant::now();
        let balancer = Balancer::start(cores, &http_pool(&check("jitter = 0"), &named));
        for server in &servers {
            server.wait_for_checks(CHECKS);
        }
        // All of them together: two cores that check would need half of the time.
        let checks: u32 = servers.iter().map(Backend::checks).sum();
        let passed = started.elapsed();
        let most = 3 * (passed.as_millis() as u32 / 100 + 1);
        println!("{cores} cores: {checks} probes in {passed:?}, at most {most} expected");
        assert!(passed >= Duration::from_millis(100) * (CHECKS - 1) && checks <= most);
        drop(balancer);
    }
}

#[test]
fn a_server_in_maintenance_is_not_checked_and_starts_anew_after_it() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let with = |more: &str| {
        pool_of("http", &check("fall = 1, rise = 3"), &[server("a", &a, more), server("b", &b, "")])
    };
    let balancer = Balancer::start(2, &with(""));
    a.answer_checks(status(500));
    balancer.wait_for_log("api/a is DOWN: status 500");
    balancer.reload(&with("state=maint"));
    // One may have been under way.
    b.wait_for_checks(b.checks() + 2);
    let before = a.answer_checks(status(200));
    b.wait_for_checks(b.checks() + 5);
    assert_eq!(a.checks(), before, "checks in maintenance");
    balancer.reload(&with(""));
    a.wait_for_checks(before + 1);
    assert_eq!(balancer.get("/").1, "a", "it counts as up until the first result");
    assert_eq!(balancer.count_log("is UP"), 0, "three good results were not needed");
}

#[test]
fn a_server_that_loses_its_check_counts_as_up() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let servers = [("a", &a), ("b", &b)];
    let balancer = Balancer::start(2, &http_pool(&check("fall = 1"), &servers));
    a.answer_checks(status(500));
    balancer.wait_for_log("api/a is DOWN: status 500");
    assert_eq!(balancer.get("/").1, "b");
    balancer.reload(&http_pool("balance = \"first\"", &servers));
    let found = (0..1000).any(|_| balancer.get("/").1 == "a");
    assert!(found, "it is still down");
}

#[test]
fn a_connection_is_enough_for_a_tcp_check_and_carries_the_header_that_is_owed() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are ports");
    let address = listener.local_addr().expect("it is bound");
    let settings = "send_proxy = \"v1\"\n\
        check = { tcp = true, interval = \"50ms\", fast_interval = \"20ms\" }";
    let servers = [format!("\"{address} name=a\"")];
    let balancer = Balancer::start(2, &pool_of("tcp", settings, &servers));
    // More than `fall` of them: the end that comes without an answer is no failure.
    for _ in 0..5 {
        let (mut stream, _) = listener.accept().expect("a check comes");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it ends in order");
        assert_eq!(text, "PROXY UNKNOWN\r\n");
    }
    assert_eq!(balancer.count_log("is DOWN"), 0);
    drop(listener);
    balancer.wait_for_log("api/a is DOWN: connection refused; 0 of 1 servers are up");
}

/// A real Redis; ends with the test.
struct Redis {
    address: SocketAddr,
    child: Child,
}

impl Redis {
    fn start(more: &[&str]) -> Self {
        let address = free_address();
        let mut child = Command::new("redis-server")
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(more)
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let output = BufReader::new(child.stdout.as_mut().expect("it is piped"));
        let is_ready = |line: String| line.contains("Ready to accept connections");
        assert!(output.lines().map_while(Result::ok).any(is_ready), "redis-server has ended");
        Self { address, child }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn redis_is_asked_for_pong_with_its_password() {
    let (mut open, locked) = (Redis::start(&[]), Redis::start(&["--requirepass", "s3cret"]));
    let with = |more: &str| {
        let settings = format!(
            "balance = \"first\"\ncheck = {{ resp = true, interval = \"100ms\", \
             fast_interval = \"50ms\", rise = 1, fall = 1 {more} }}"
        );
        let servers = [("open", open.address), ("locked", locked.address)];
        let servers = servers.map(|(name, address)| format!("\"{address} name={name}\""));
        pool_of("tcp", &settings, &servers)
    };
    let (without_password, with_password) = (with(""), with(", password = \"s3cret\""));
    let balancer = Balancer::start(2, &without_password);
    balancer.wait_for_log("api/locked is DOWN: -NOAUTH Authentication required.");
    balancer.reload(&with_password);
    balancer.wait_for_log("api/locked is UP");
    balancer.wait_for_log("api/open is DOWN: -ERR AUTH <password> called without any password");
    balancer.reload(&without_password);
    balancer.wait_for_lines("api/locked is DOWN: -NOAUTH", 2);
    balancer.wait_for_log("api/open is UP");
    open.kill();
    balancer.wait_for_lines("api/open is DOWN: ", 2);
}
