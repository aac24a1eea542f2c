//! Ejection by what requests meet.

use crate::backend::{Answer, Backend};
use crate::balancer::Balancer;
use crate::{http_pool, pool_of, server};

fn status(code: u16) -> Answer {
    Answer::Status(code, "sorry".into())
}

/// Asks until a log line is there; then the server must get nothing more.
fn ask_until_ejected(balancer: &Balancer, a: &Backend, line: &str) {
    let failed = a.answer(status(500));
    for _ in 0..1000 {
        balancer.get("/");
        if balancer.count_log(line) > 0 {
            break;
        }
    }
    balancer.wait_for_log(line);
    let before = a.requests();
    assert!(before >= failed + 3, "three failures in a row are needed");
    for _ in 0..12 {
        assert_eq!(balancer.get("/"), (200, "b".to_owned()));
    }
    assert_eq!(a.requests(), before, "requests to a server that is ejected");
}

fn ask_until_answered_by(balancer: &Balancer, name: &str) {
    assert!((0..1000).any(|_| balancer.get("/").1 == name), "{name} gets nothing");
}

#[test]
fn failures_in_a_row_eject_and_time_brings_back() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let settings = "balance = \"round-robin\"\n\
        ejection = { consecutive_failures = 3, interval = \"60s\", base = \"1s\", max = \"2s\" }";
    let balancer = Balancer::start(2, &http_pool(settings, &[("a", &a), ("b", &b)]));
    let line = "server api/a is ejected for 1 s: 3 failures in a row; 1 of 2 servers are up";
    ask_until_ejected(&balancer, &a, line);
    a.answer(Answer::Status(200, "a".into()));
    let line = "server api/a is back from its ejection, as the time is over; 2 of 2 servers are up";
    balancer.wait_for_log(line);
    ask_until_answered_by(&balancer, "a");
}

#[test]
fn a_check_that_passes_brings_back_before_the_time() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let settings = "balance = \"round-robin\"\n\
        check = { http = \"/health\", interval = \"100ms\" }\n\
        ejection = { consecutive_failures = 3, interval = \"500ms\", base = \"60s\" }";
    let balancer = Balancer::start(4, &http_pool(settings, &[("a", &a), ("b", &b)]));
    let failed = a.answer(status(500));
    for _ in 0..1000 {
        balancer.get("/");
        if a.requests() >= failed + 3 {
            break;
        }
    }
    balancer.wait_for_log("api/a is ejected for 60 s");
    a.answer(Answer::Status(200, "a".into()));
    balancer.wait_for_log("api/a is back from its ejection, as its check passes");
    ask_until_answered_by(&balancer, "a");
}

#[test]
fn a_reload_that_switches_ejection_off_brings_all_back() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let servers = [("a", &a), ("b", &b)];
    let ejection =
        |text: &str| http_pool(&format!("balance = \"round-robin\"\nejection = {text}"), &servers);
    let balancer = Balancer::start(2, &ejection("{ consecutive_failures = 3, base = \"200s\" }"));
    ask_until_ejected(&balancer, &a, "api/a is ejected for 200 s");
    a.answer(Answer::Status(200, "a".into()));
    balancer.reload(&ejection("{ consecutive_failures = 4, base = \"100s\" }"));
    assert_eq!(balancer.get("/").1, "b");
    assert_eq!(balancer.get("/").1, "b", "an ejection outlives a reload");
    balancer.reload(&ejection("false"));
    ask_until_answered_by(&balancer, "a");
}

#[test]
fn a_connection_that_stands_ends_a_row_of_failures() {
    let (mut a, b) = (Backend::start("a"), Backend::start("b"));
    let settings = "balance = \"first\"\nejection = { consecutive_failures = 2 }";
    let servers = [server("a", &a, ""), server("b", &b, "")];
    let balancer = Balancer::start(1, &pool_of("tcp", settings, &servers));
    for _ in 0..3 {
        assert_eq!(balancer.get("/").1, "a");
        a.kill();
        assert_eq!(balancer.get("/").1, "b");
        a = Backend::start_at(a.address, "a");
    }
    assert_eq!(balancer.get("/").1, "a");
    assert_eq!(balancer.count_log("is ejected"), 0);
}
