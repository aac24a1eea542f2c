//! Clients and servers that are slow, greedy, or gone.
//!
//! Job: every limit and time of a configuration, met on purpose. In: short times from a file, peers
//! that exceed them. Out: the status that names who failed, what servers have seen, and memory.
//! Invariant: whoever is within the limits is served beside those who are not.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Backend, Balancer, DEADLINE, Message, Peer, Wire, free_port};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One listener and one pool, with more lines for each.
fn file(listener: &str, pool: &str, servers: usize) -> String {
    let servers: Vec<String> = (0..servers).map(|index| format!("\"SERVER{index}\"")).collect();
    format!(
        "[[listener]]\nbind = \"BIND\"\ndefault_pool = \"p\"\n{listener}\n\
         [pool.p]\nservers = [{}]\n{pool}\n",
        servers.join(", ")
    )
}

fn balancer(listener: &str, pool: &str, backends: &[&Backend]) -> Balancer {
    Balancer::of_file(&file(listener, pool, backends.len()), backends)
}

fn silent() -> Backend {
    Backend::scripted(|mut peer| drop(peer.read_to_end()))
}

fn status_and_end(client: &mut Wire) -> u16 {
    let response = client.response();
    assert_eq!(response.field("Connection").as_deref(), Some("close"));
    assert_eq!(client.read_to_end().0, b"");
    response.status()
}

#[test]
fn heads_that_are_too_large_are_431_and_lines_414() {
    let backend = Backend::answering(OK);
    let balancer = balancer("head_bytes_max = 2048\nfields_max = 10", "", &[&backend]);
    let ask = |request: String| balancer.ask(request).status();
    let field = "X-A: b\r\n";
    assert_eq!(ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", field.repeat(9))), 200);
    assert_eq!(ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", field.repeat(10))), 431);
    let padded = |size: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(size - rest))
    };
    assert_eq!(ask(padded(2048)), 200);
    assert_eq!(ask(padded(2049)), 431);
    assert_eq!(ask(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(3000))), 414);
    // It is refused before it has an end.
    assert_eq!(ask("x".repeat(3000)), 414);
    assert_eq!(ask(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(3000))), 431);
    assert_eq!(backend.text().matches("GET ").count(), 2);
}

#[test]
fn a_head_that_comes_too_slowly_is_408() {
    let backend = Backend::answering(OK);
    let balancer = balancer("request_timeout = \"200ms\"", "", &[&backend]);
    let mut client = balancer.connect();
    assert_eq!(client.ask(GET).status(), 200);
    client.send("GET / HTTP/1.1\r\nHo");
    assert_eq!(status_and_end(&mut client), 408);
    // Bytes that trickle in do not move the deadline.
    let mut client = balancer.connect_socket();
    let begun = Instant::now();
    client.set_read_timeout(Some(Duration::from_millis(20))).expect("a deadline");
    let mut answer = Vec::new();
    while !answer.starts_with(b"HTTP/1.1 408 ") {
        assert!(begun.elapsed() < DEADLINE, "it goes on and on: {answer:?}");
        let _ = client.write_all(b"x");
        let mut buffer = [0; 4096];
        match client.read(&mut buffer) {
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert_eq!(backend.text().matches("GET ").count(), 1);
}

#[test]
fn a_body_that_stops_is_408() {
    let backend = silent();
    let balancer = balancer("client_timeout = \"200ms\"", "", &[&backend]);
    for head in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"] {
        let mut client = balancer.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}"));
        assert_eq!(status_and_end(&mut client), 408);
    }
    let mut client = balancer.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    assert_eq!(status_and_end(&mut client), 408);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let backend = Backend::answering(OK);
    let balancer =
        balancer("keepalive_timeout = \"100ms\"\nrequest_timeout = \"100ms\"", "", &[&backend]);
    assert_eq!(balancer.connect().read_to_end().0, b"");
    let mut client = balancer.connect();
    assert_eq!(client.ask(GET).status(), 200);
    assert_eq!(client.read_to_end().0, b"");
}

#[test]
fn connections_above_the_limit_are_503() {
    let backend = Backend::answering(OK);
    let text = file("maxconn = 2", "", 1);
    let balancer = Balancer::of_file(&format!("[global]\ncores = 4\n{text}"), &[&backend]);
    let mut inside: Vec<Wire> = (0..2).map(|_| balancer.connect()).collect();
    for client in &mut inside {
        assert_eq!(client.ask(GET).status(), 200);
    }
    for _ in 0..4 {
        assert_eq!(status_and_end(&mut balancer.connect()), 503);
    }
    for client in &mut inside {
        assert_eq!(client.ask(GET).status(), 200, "those inside are not concerned");
    }
    inside[0].end_writing();
    assert_eq!(inside[0].read_to_end().0, b"");
    // Its place is free as soon as the balancer has let go of it.
    let begun = Instant::now();
    while balancer.connect().ask(GET).status() != 200 {
        assert!(begun.elapsed() < DEADLINE, "the place is never free");
    }
}

#[test]
fn a_server_gets_as_many_requests_at_a_time_as_it_may() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::scripted(move |mut peer| {
        while let Ok(request) = peer.read_request() {
            let _ = wait.lock().expect("the lock").recv_timeout(DEADLINE);
            let line = request.first_line().to_owned();
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len()));
        }
    });
    let text = format!("[global]\ncores = 1\n{}", file("", "maxconn = 1", 1));
    let balancer = Balancer::of_file(&text, &[&backend]);
    let mut clients = Vec::new();
    for number in 0..5 {
        let mut client = balancer.connect();
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        if number == 0 {
            backend.wait_for(|received| received.concat().ends_with(b"\r\n\r\n"));
        }
        // A round through the balancer: the request before has been seen.
        assert_eq!(balancer.ask("GET / HTTP/1.1\r\n\r\n").status(), 400);
        clients.push(client);
    }
    assert_eq!(backend.text().matches("GET ").count(), 1);
    for (number, client) in clients.iter_mut().enumerate() {
        go.send(()).expect("the server waits");
        assert_eq!(client.response().text(), format!("GET /{number} HTTP/1.1"));
    }
    let lines: Vec<String> =
        backend.text().lines().filter(|line| line.starts_with("GET ")).map(str::to_owned).collect();
    let wanted: Vec<String> = (0..5).map(|number| format!("GET /{number} HTTP/1.1")).collect();
    assert_eq!(lines, wanted, "first come, first served");
}

#[test]
fn cores_share_the_places_of_a_server() {
    let (busy, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let backend = Backend::scripted(move |mut peer| {
        while peer.read_request().is_ok() {
            seen.fetch_max(busy.fetch_add(1, SeqCst) + 1, SeqCst);
            // Whoever came as well would be here by now.
            thread::yield_now();
            busy.fetch_sub(1, SeqCst);
            peer.send(OK);
        }
    });
    let text = format!("[global]\ncores = 4\n{}", file("", "maxconn = 2", 1));
    let balancer = Balancer::of_file(&text, &[&backend]);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = balancer.connect();
                for _ in 0..50 {
                    assert_eq!(client.ask(GET).status(), 200);
                }
            });
        }
    });
    assert!(most.load(SeqCst) <= 2, "{most:?} at a time");
}

#[test]
fn who_waits_too_long_or_in_too_long_a_queue_is_503() {
    let backend = silent();
    let pool = "maxconn = 1\nqueue_timeout = \"200ms\"\nqueue_max = 2";
    let balancer = balancer("", pool, &[&backend]);
    let mut first = balancer.connect();
    first.send(GET);
    backend.wait_for(|received| received.concat().ends_with(b"\r\n\r\n"));
    let mut waiting: Vec<Wire> = (0..2).map(|_| balancer.connect()).collect();
    for client in &mut waiting {
        client.send(GET);
    }
    for client in &mut waiting {
        let response = client.response();
        assert_eq!(response.status(), 503);
        assert!(response.text().contains("no server was free in time (pool p)"), "{response:?}");
        assert_eq!(response.field("Connection"), None, "the request was whole: it may go on");
        client.send(GET);
    }
    // Both wait again or are about to; of more one at least finds no room.
    let mut more: Vec<Wire> = (0..2).map(|_| balancer.connect()).collect();
    for client in &mut more {
        client.send(GET);
    }
    let texts: Vec<String> =
        waiting.iter_mut().chain(&mut more).map(|client| client.response().text()).collect();
    assert!(texts.iter().any(|text| text.contains("the queue is full")), "{texts:?}");
    assert_eq!(backend.text().matches("GET ").count(), 1);
}

fn says(response: &Message, status: u16, text: &str) {
    assert_eq!(response.status(), status, "{response:?}");
    assert!(response.text().contains(text), "{response:?}");
    assert!(response.text().contains("(pool p)"), "{response:?}");
}

#[test]
fn a_server_that_says_nothing_is_504() {
    let backend = silent();
    let balancer = balancer("", "server_timeout = \"200ms\"", &[&backend]);
    let mut client = balancer.connect();
    says(&client.ask(GET), 504, "did not answer in time");
    says(&client.ask(POST), 504, "did not answer in time");
    let seen = backend.wait_for(|received| received.len() == 2).concat();
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert_eq!(seen.matches("GET ").count() + seen.matches("POST ").count(), 2, "once each");
}

#[test]
fn a_server_that_stops_in_its_answer_breaks_it() {
    let backend = Backend::scripted(|mut peer| {
        let _ = peer.read_request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        let _ = peer.read_to_end();
    });
    let balancer = balancer("", "server_timeout = \"200ms\"", &[&backend]);
    let mut client = balancer.connect();
    client.send(GET);
    assert!(client.read_response().is_err());
}

#[test]
fn a_server_that_resets_is_502_and_a_post_is_not_repeated() {
    let backend = Backend::scripted(|mut peer| peer.take_byte());
    let balancer = balancer("", "", &[&backend]);
    says(&balancer.ask(POST), 502, "closed the connection before it answered");
    assert_eq!(backend.connections(), 1);
    says(&balancer.ask(GET), 502, "closed the connection before it answered");
    assert_eq!(backend.connections(), 1 + 4, "a first try and three more");
}

#[test]
fn what_is_idempotent_goes_to_another_server() {
    let bad = Backend::scripted(|mut peer| drop(peer.read_request()));
    let good = Backend::answering(OK);
    let balancer = balancer("", "balance = \"first\"", &[&bad, &good]);
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let mut client = balancer.connect();
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"));
        assert_eq!(client.read_head().expect("a response").status(), 200, "{method}");
    }
    assert_eq!(good.text().matches("\r\n\r\nhi").count(), 5, "with their bodies");
}

#[test]
fn a_post_is_sent_once_whatever_happens() {
    let bad = Backend::scripted(|mut peer| drop(peer.read_request()));
    let good = Backend::answering(OK);
    let balancer = balancer("", "balance = \"first\"\nejection = false", &[&bad, &good]);
    for _ in 0..10 {
        assert_eq!(balancer.ask(POST).status(), 502);
    }
    assert_eq!(bad.text().matches("POST ").count(), 10);
    assert_eq!(good.connections(), 0);
}

#[test]
fn who_refuses_connections_costs_no_request() {
    let (nobody, good) = (Backend::nobody(), Backend::answering(OK));
    let balancer = balancer("", "balance = \"first\"\nejection = false", &[&nobody, &good]);
    for _ in 0..10 {
        assert_eq!(balancer.ask(POST).status(), 200, "no server has seen it before");
    }
    let balancer = Balancer::to(&[&nobody]);
    let response = balancer.ask(GET);
    assert_eq!(response.status(), 503);
    assert!(response.text().contains("cannot be connected to"), "{response:?}");
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    // It closes after each response without saying so: what was kept of it is of no use.
    let answer_one = |mut peer: Peer| {
        if peer.read_request().is_ok() {
            peer.send(OK);
        }
    };
    let port = free_port();
    let backend = Backend::at_port(port, answer_one);
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    for _ in 0..50 {
        assert_eq!(client.ask(GET).status(), 200);
    }
    drop(backend);
    assert_eq!(client.ask(GET).status(), 503);
    let _backend = Backend::at_port(port, answer_one);
    assert_eq!(client.ask(GET).status(), 200);
}
