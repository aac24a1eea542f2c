//! Rate limits inside of the balancer.
//!
//! Job: count what a limit lets through, on several cores, after reloads, and with a store that comes and
//! goes. In: bursts of requests. Out: statuses and header fields. Invariant: windows are so long that none
//! ends within a test.

use std::sync::Barrier;
use std::thread;

use crate::harness::{Backend, Balancer, Message, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A listener with what is held against its requests, a pool, and rules.
fn file(cores: usize, listener: &str, rules: &str) -> String {
    format!(
        "[global]\ncores = {cores}\n[[listener]]\nname = \"web\"\nbind = \"BIND\"\n\
         default_pool = \"p\"\n{listener}\n[pool.p]\nservers = [\"SERVER0\"]\n{rules}\n"
    )
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// The responses to so many requests over each of so many connections, all at once.
fn burst(balancer: &Balancer, connections: usize, requests: usize, request: &str) -> Vec<Message> {
    let all_there = Barrier::new(connections);
    thread::scope(|scope| {
        let ask_all = || {
            let mut wire: Wire = balancer.connect();
            all_there.wait();
            (0..requests).map(|_| wire.ask(request)).collect::<Vec<Message>>()
        };
        let askers: Vec<_> = (0..connections).map(|_| scope.spawn(ask_all)).collect();
        askers.into_iter().flat_map(|asker| asker.join().expect("it asks")).collect()
    })
}

/// How many have each of the statuses 200 and 429; there are no others.
fn count(messages: &[Message]) -> (usize, usize) {
    let with = |status| messages.iter().filter(|message| message.status() == status).count();
    let (allowed, denied) = (with(200), with(429));
    assert_eq!(allowed + denied, messages.len(), "{messages:?}");
    (allowed, denied)
}

#[test]
fn a_burst_over_four_cores_gets_exactly_the_limit() {
    let backend = Backend::answering(OK);
    for algorithm in ["fixed-window", "token-bucket"] {
        let rule =
            format!("[rate_limit.all]\nalgorithm = \"{algorithm}\"\nlimit = 50\nwindow = \"20h\"");
        let balancer = Balancer::of_file(&file(4, "rate_limit = \"all\"", &rule), &[&backend]);
        let messages = burst(&balancer, 16, 10, &get("/", ""));
        assert_eq!(count(&messages), (50, 110), "{algorithm}");
        for message in &messages {
            let policy = message.field("RateLimit-Policy").expect("a policy");
            assert_eq!(policy, "\"all\";q=50;w=72000");
            let left = message.field("RateLimit").expect("what is left");
            assert!(left.starts_with("\"all\";r="), "{left}");
            let is_denied = message.status() == 429;
            assert_eq!(message.field("Retry-After").is_some(), is_denied);
            assert!(!is_denied || left.starts_with("\"all\";r=0;t="), "{left}");
            assert!(!is_denied || message.text().contains("rate limit all is used up"));
            assert_eq!(message.field("Connection"), None, "it goes on");
        }
    }
}

/// A window that no test sees the end of.
fn rule(name: &str, limit: usize, more: &str) -> String {
    format!(
        "[rate_limit.{name}]\nalgorithm = \"fixed-window\"\nlimit = {limit}\nwindow = \"20h\"\n\
         {more}\n"
    )
}

fn status(balancer: &Balancer, request: &str) -> u16 {
    balancer.ask(request).status()
}

#[test]
fn what_a_route_refuses_costs_the_listener_nothing() {
    let backend = Backend::answering(OK);
    let listener = "rate_limit = \"all\"\n\
                    [[listener.route]]\npath = \"/api\"\npool = \"p\"\nrate_limit = [\"api\", \"all\"]";
    let rules = rule("all", 5, "") + &rule("api", 2, "");
    let balancer = Balancer::of_file(&file(4, listener, &rules), &[&backend]);
    let api: Vec<u16> = (0..4).map(|_| status(&balancer, &get("/api/x", ""))).collect();
    assert_eq!(api, [200, 200, 429, 429]);
    let refused = balancer.ask(get("/api/x", ""));
    assert!(refused.text().contains("rate limit api is used up"), "{}", refused.text());
    let names = refused.field("RateLimit-Policy").expect("a policy");
    assert_eq!(names, "\"all\";q=5;w=72000, \"api\";q=2;w=72000", "each once");
    let others: Vec<u16> = (0..4).map(|_| status(&balancer, &get("/", ""))).collect();
    assert_eq!(others, [200, 200, 200, 429], "two of five are gone");
}

#[test]
fn keys_keep_clients_apart_and_only_the_trusted_speak_for_others() {
    let backend = Backend::answering(OK);
    let by_key = rule("by-key", 1, "key = \"header:x-key\"");
    let balancer = Balancer::of_file(&file(2, "rate_limit = \"by-key\"", &by_key), &[&backend]);
    let ask = |fields: &str| status(&balancer, &get("/", fields));
    assert_eq!((ask("X-Key: a\r\n"), ask("x-key: a\r\n"), ask("X-Key: b\r\n")), (200, 429, 200));
    assert_eq!((ask(""), ask("")), (200, 200), "without the header it does not apply");

    let by_ip = rule("by-ip", 1, "key = \"ip\"");
    for (trusted, second) in [("", 429), ("trusted = \"127.0.0.0/8\"\n", 200)] {
        let listener = format!("{trusted}rate_limit = \"by-ip\"");
        let balancer = Balancer::of_file(&file(2, &listener, &by_ip), &[&backend]);
        let from =
            |client: &str| status(&balancer, &get("/", &format!("X-Forwarded-For: {client}\r\n")));
        assert_eq!(from("192.0.2.1"), 200, "{trusted}");
        assert_eq!(from("192.0.2.2"), second, "{trusted}");
        assert_eq!(from("198.51.100.1, 192.0.2.1"), 429, "{trusted}: the last one counts");
    }
}

#[test]
fn a_reload_keeps_the_counters_of_rules_that_stay() {
    let backend = Backend::answering(OK);
    let names = "rate_limit = [\"stays\", \"changes\"]";
    let ask =
        |balancer: &Balancer, key: &str| status(balancer, &get("/", &format!("X-Key: {key}\r\n")));
    let key = "key = \"header:x-key\"";
    let before = rule("stays", 2, key) + &rule("changes", 10, "");
    let balancer = Balancer::of_file(&file(4, names, &before), &[&backend]);
    let mut kept = balancer.connect();
    let asked = get("/", "X-Key: a\r\n");
    assert_eq!((kept.ask(&asked).status(), kept.ask(&asked).status()), (200, 200));
    assert_eq!(kept.ask(&asked).status(), 429);

    let after = rule("stays", 2, key) + &rule("changes", 1, "");
    assert!(balancer.reload(&file(4, names, &after)).contains("is in use"));
    assert_eq!(kept.ask(&asked).status(), 429, "its counter is what it was");
    assert_eq!(ask(&balancer, "b"), 200);
    let refused = balancer.ask(get("/", "X-Key: b\r\n"));
    assert!(refused.text().contains("rate limit changes"), "a new one: {}", refused.text());

    let said = balancer.reload(&file(4, "rate_limit = \"stay\"", &after));
    assert!(said.contains("the configuration stays as it was"), "{said}");
    assert_eq!(ask(&balancer, "c"), 429, "the rules are still there");
    assert!(balancer.reload(&file(4, "", "")).contains("is in use"));
    assert_eq!((ask(&balancer, "c"), kept.ask(&asked).status()), (200, 200), "no rules");
}

#[test]
fn a_refusal_is_told_in_the_way_of_its_listener_and_leaves_the_connection() {
    let folder_log =
        "access_log = \"FOLDER/access.log\"\nadmin = \"127.0.0.1:ADMIN\"\n[[listener]]";
    let admin = crate::harness::free_port();
    let backend = Backend::answering(OK);
    let listener = "rate_limit = [\"one\", \"ghost\"]\nrate_limit_headers = \"x-ratelimit\"\n\
                    rate_limit_status = 420\nlog = \"json\"\nerrors = { 420 = { html = \"calm\" } }";
    let rules = rule("one", 1, "") + &rule("ghost", 1, "shadow = true");
    let text = file(2, listener, &rules).replacen("[[listener]]", folder_log, 1);
    let mut balancer = Balancer::of_file(&text.replace("ADMIN", &admin.to_string()), &[&backend]);
    let mut client = balancer.connect();
    let allowed = client.ask(get("/", ""));
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.field("X-RateLimit-Remaining").as_deref(), Some("0"));
    // A small body that has come along is in nobody's way.
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let refused = client.ask(post);
    assert_eq!((refused.status(), refused.text().as_str()), (420, "calm"));
    assert!(refused.field("Retry-After").is_some() && refused.field("RateLimit").is_none());
    assert_eq!(client.ask(get("/", "")).status(), 420, "the connection goes on");
    let unsent = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nabc";
    let refused = client.ask(unsent);
    assert_eq!((refused.status(), refused.field("Connection").as_deref()), (420, Some("close")));

    let metrics = Wire::new(std::net::TcpStream::connect(("127.0.0.1", admin)).expect("admin"))
        .ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        .text();
    let name = "ringlet_lb_rate_limit_total{proxy=\"web\",rule";
    for line in [
        format!("{name}=\"one\",verdict=\"allowed\"}} 1"),
        format!("{name}=\"one\",verdict=\"denied\"}} 3"),
        format!("{name}=\"ghost\",verdict=\"denied\"}} 0"),
        "haproxy_frontend_requests_denied_total{proxy=\"web\"} 3".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    balancer.terminate();
    let log = std::fs::read_to_string(balancer.file("access.log")).expect("the log");
    let denials = log.lines().filter(|line| line.contains("rate limit one is used up")).count();
    assert_eq!((log.lines().count(), denials), (4, 3), "{log}");
}

#[test]
fn lists_come_before_rules() {
    let backend = Backend::answering(OK);
    let lists = "[rate_limits.lists]\nallow = \"192.0.2.0/24\"\ndeny = \"192.0.2.7\"\n";
    let rules = rule("none", 1, "") + lists;
    let listener = "trusted = \"127.0.0.1\"\nrate_limit = \"none\"";
    let balancer = Balancer::of_file(&file(2, listener, &rules), &[&backend]);
    let from =
        |client: &str| status(&balancer, &get("/", &format!("X-Forwarded-For: {client}\r\n")));
    assert_eq!((from("198.51.100.1"), from("198.51.100.1")), (200, 429));
    assert_eq!((from("192.0.2.1"), from("192.0.2.7")), (200, 403));
}

#[test]
fn permits_come_back_when_the_response_has_ended() {
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let backend = Backend::scripted(move |mut peer| {
        while let Ok(request) = peer.read_request() {
            if request.head.starts_with("GET /slow") {
                let _ = may_go_on.lock().expect("one waits").recv();
            }
            peer.send(OK);
        }
    });
    let rules = "[rate_limit.one]\nalgorithm = \"concurrency\"\npermits = 1\nhold = \"1h\"\n";
    let balancer = Balancer::of_file(&file(4, "rate_limit = \"one\"", rules), &[&backend]);
    let mut slow = balancer.connect();
    slow.send(get("/slow", ""));
    backend.wait_for(|received| received.concat().starts_with(b"GET /slow"));
    assert_eq!(status(&balancer, &get("/", "")), 429);
    go_on.send(()).expect("the server waits");
    assert_eq!(slow.read_response().expect("a response").status(), 200);
    assert_eq!(slow.ask(get("/", "")).status(), 200);
    // A client that leaves takes no permit with it.
    slow.send(get("/slow", ""));
    backend.wait_for(|all| all.concat().windows(9).filter(|at| at == b"GET /slow").count() == 2);
    assert_eq!(status(&balancer, &get("/", "")), 429);
    drop(slow);
    go_on.send(()).expect("the server waits");
    while status(&balancer, &get("/", "")) != 200 {
        thread::yield_now();
    }
}

#[test]
fn a_shaper_lets_requests_in_one_after_the_other() {
    let backend = Backend::answering(OK);
    let rules = "[rate_limit.slow]\nalgorithm = \"shaper\"\nrate = \"20/s\"\nburst = 3\n";
    let balancer = Balancer::of_file(&file(4, "rate_limit = \"slow\"", rules), &[&backend]);
    let begun = std::time::Instant::now();
    let messages = burst(&balancer, 4, 1, &get("/", ""));
    assert_eq!(count(&messages), (4, 0));
    assert!(begun.elapsed().as_millis() >= 150, "the last waits for three others");
    assert!(messages.iter().all(|message| message.field("X-RateLimit-Delay-Ms").is_none()));
}

#[test]
fn in_tcp_mode_new_connections_are_limited() {
    let backend = Backend::scripted(|mut peer| peer.send("hello"));
    let rules = rule("connections", 2, "key = \"ip\"");
    let listener = "mode = \"tcp\"\nrate_limit = \"connections\"";
    let text = file(4, listener, &rules).replace("[pool.p]", "[pool.p]\nmode = \"tcp\"");
    let balancer = Balancer::of_file(&text, &[&backend]);
    let got: Vec<Vec<u8>> = (0..4).map(|_| balancer.connect().read_to_end().0).collect();
    assert_eq!(got, [&b"hello"[..], b"hello", b"", b""]);
    assert_eq!(backend.connections(), 2);
}
