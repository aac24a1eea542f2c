//! Servers that vanish, hang or are all gone: what clients see.

use crate::backend::{Answer, Backend};
use crate::balancer::Balancer;
use crate::{http_pool, pool_of, server};

const CHECK: &str = "balance = \"first\"\nejection = false\n\
    check = { http = \"/health\", interval = \"100ms\", timeout = \"300ms\", fall = 2, rise = 1 }";

fn ok(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

#[test]
fn a_killed_server_costs_no_client_an_answer() {
    let (mut a, b) = (Backend::start("a"), Backend::start("b"));
    let balancer = Balancer::start(2, &http_pool(CHECK, &[("a", &a), ("b", &b)]));
    assert_eq!(balancer.get("/"), ok("a"));
    a.answer(Answer::Nothing);
    let pending: Vec<_> = (0..4).map(|_| balancer.begin("/")).collect();
    a.wait_for_requests(5);
    a.kill();
    for one in pending {
        assert_eq!(one.finish(), ok("b"), "in flight when the server died");
    }
    for _ in 0..8 {
        assert_eq!(balancer.get("/"), ok("b"));
    }
    // A check that was under way says that its connection has ended, a later one that it is refused.
    let line = balancer.wait_for_log("server api/a is DOWN: ");
    assert!(line.ends_with("; 1 of 2 servers are up"), "{line}");
    let back = Backend::start_at(a.address, "a is back");
    balancer.wait_for_log("server api/a is UP; 2 of 2 servers are up");
    assert_eq!(balancer.get("/"), ok("a is back"));
    assert!(back.requests() == 1 && b.requests() == 12);
}

#[test]
fn a_hanging_server_is_found_and_what_waits_for_it_goes_elsewhere() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let balancer = Balancer::start(2, &http_pool(CHECK, &[("a", &a), ("b", &b)]));
    a.answer(Answer::Nothing);
    let pending: Vec<_> = (0..4).map(|_| balancer.begin("/")).collect();
    a.wait_for_requests(4);
    a.answer_checks(Answer::Nothing);
    // Far earlier than the 30 s that a server has for its answer.
    for one in pending {
        assert_eq!(one.finish(), ok("b"));
    }
    balancer.wait_for_log("api/a is DOWN: no answer within 300 ms; 1 of 2 servers are up");
    assert_eq!(balancer.get("/"), ok("b"));
    assert_eq!(a.requests(), 4, "nothing new after the check");
    a.answer(Answer::Status(200, "a".into()));
    a.answer_checks(Answer::Status(200, String::new()));
    balancer.wait_for_log("server api/a is UP");
    assert_eq!(balancer.get("/"), ok("a"));
}

#[test]
fn without_a_server_clients_are_told_which_pool_has_none() {
    let (mut a, b) = (Backend::start("a"), Backend::start("b"));
    let balancer = Balancer::start(1, &http_pool(CHECK, &[("a", &a), ("b", &b)]));
    a.kill();
    b.answer_checks(Answer::Status(503, String::new()));
    balancer.wait_for_log("api/a is DOWN: ");
    balancer.wait_for_log("api/b is DOWN: status 503");
    balancer.wait_for_log("0 of 2 servers are up");
    let before = b.requests();
    let (status, body) = balancer.get("/");
    assert_eq!(status, 503);
    assert!(body.contains("no server is available (pool api)"), "{body}");
    assert_eq!(b.requests(), before, "a server that is down is not asked");
}

#[test]
fn backups_serve_only_while_nobody_else_can() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let servers = [server("b", &b, "backup"), server("a", &a, "")];
    let settings = CHECK.replace("first", "round-robin");
    let balancer = Balancer::start(1, &pool_of("http", &settings, &servers));
    for _ in 0..4 {
        assert_eq!(balancer.get("/"), ok("a"));
    }
    a.answer_checks(Answer::Status(500, String::new()));
    balancer.wait_for_log("api/a is DOWN: status 500");
    for _ in 0..4 {
        assert_eq!(balancer.get("/"), ok("b"));
    }
    a.answer_checks(Answer::Status(200, String::new()));
    balancer.wait_for_log("api/a is UP");
    assert_eq!(balancer.get("/"), ok("a"));
}

#[test]
fn a_refused_connection_has_the_check_look_at_once() {
    // Without that it would look after a minute.
    let check = "balance = \"first\"\nejection = false\ncheck = { http = \"/health\", \
        interval = \"60s\", fast_interval = \"50ms\", timeout = \"5s\", fall = 2, jitter = 0 }";
    for cores in [1, 4] {
        let (mut a, b) = (Backend::start("a"), Backend::start("b"));
        let balancer = Balancer::start(cores, &http_pool(check, &[("a", &a), ("b", &b)]));
        a.wait_for_checks(1);
        a.kill();
        assert_eq!(balancer.get("/"), ok("b"));
        balancer.wait_for_log("api/a is DOWN: connection refused");
    }
}
