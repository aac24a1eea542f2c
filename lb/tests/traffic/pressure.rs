//! Peers that send much and read little.
//!
//! Job: large bodies, and what they cost when nobody takes them. In: megabytes, sockets that are not
//! read. Out: hashes, memory, how much was accepted. Invariant: a peer that does not read holds up the
//! one who sends to it and nobody else, and memory does not grow with what it leaves unread.

use std::io::ErrorKind;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::harness::{Backend, Balancer, DEADLINE, Folder, Wire, content};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LARGE: usize = 24 << 20;
/// What kernels and the balancer may hold of what nobody reads.
const HELD_BYTES_MAX: usize = 32 << 20;
/// The same with the receive buffers of four cores, which take memory when they are used first.
const MEMORY_BYTES_MAX: usize = HELD_BYTES_MAX + ((4 * 16) << 20);
const ENDLESS: usize = 512 << 20;
/// Nothing has gone on for so long: it is stuck.
const STUCK: Duration = Duration::from_secs(1);

/// Sends until the other side takes no more; how much it took.
fn fill(wire: &mut Wire) -> usize {
    let block = vec![b'x'; 64 << 10];
    wire.wait_at_most(STUCK);
    let mut sent = 0;
    while sent < ENDLESS {
        match wire.send_some(&block) {
            Ok(length) => sent += length,
            Err(_) => break,
        }
    }
    sent
}

#[test]
fn large_bodies_arrive_whole_both_ways() {
    let backend = Backend::scripted(|mut peer| {
        while let Ok(request) = peer.read_request() {
            let hash = format!("{:016x}", xxh3_64(&request.body));
            let body = content(LARGE + 1);
            let is_chunked = request.field("Transfer-Encoding").is_some();
            if is_chunked {
                peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n");
                peer.send(format!("X-Hash: {hash}\r\n\r\n"));
                for chunk in body.chunks(77_777) {
                    peer.send(format!("{:x}\r\n", chunk.len()));
                    peer.send(chunk);
                    peer.send("\r\n");
                }
                peer.send("0\r\n\r\n");
            } else {
                let length = body.len();
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n"));
                peer.send(format!("X-Hash: {hash}\r\n\r\n"));
                peer.send(&body);
            }
        }
    });
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    let body = content(LARGE);
    for is_chunked in [false, true, false] {
        client.send("POST / HTTP/1.1\r\nHost: a\r\n");
        if is_chunked {
            client.send("Transfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(55_555) {
                client.send(format!("{:X};ext\r\n", chunk.len()));
                client.send(chunk);
                client.send("\r\n");
            }
            client.send("0\r\n\r\n");
        } else {
            client.send(format!("Content-Length: {LARGE}\r\n\r\n"));
            client.send(&body);
        }
        let response = client.response();
        let hash = format!("{:016x}", xxh3_64(&body));
        assert_eq!(response.field("X-Hash"), Some(hash), "chunked: {is_chunked}");
        assert_eq!(xxh3_64(&response.body), xxh3_64(&content(LARGE + 1)), "chunked: {is_chunked}");
    }
}

#[test]
fn a_client_that_does_not_read_stops_the_server() {
    let (sent, has_sent) = channel();
    let backend = Backend::scripted(move |mut peer| {
        if peer.number == 0 {
            let _ = peer.read_request();
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n"));
            let _ = sent.send(fill(&mut peer));
        }
        while peer.read_request().is_ok() {
            peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    let balancer = Balancer::to(&[&backend]);
    let before = balancer.resident_bytes();
    let mut client = balancer.connect();
    client.send(GET);
    let held = has_sent.recv_timeout(DEADLINE).expect("the server gets stuck");
    assert!(held < HELD_BYTES_MAX, "{held} bytes were taken for nobody");
    assert!(balancer.resident_bytes() < before + MEMORY_BYTES_MAX, "the balancer has kept them");
    assert_eq!(balancer.ask(GET).status(), 204, "others are not held up");
}

#[test]
fn a_server_that_does_not_read_stops_the_client() {
    let (go, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::scripted(move |mut peer| {
        let _ = peer.read_head();
        let _ = wait.lock().expect("the lock").recv_timeout(DEADLINE);
    });
    let balancer = Balancer::to(&[&backend]);
    let before = balancer.resident_bytes();
    for head in [
        format!("Content-Length: {ENDLESS}\r\n\r\n"),
        "Transfer-Encoding: chunked\r\n\r\n20000000\r\n".to_owned(),
    ] {
        let mut client = balancer.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}"));
        let held = fill(&mut client);
        assert!(held < HELD_BYTES_MAX, "{held} bytes were taken for nobody");
        assert!(
            balancer.resident_bytes() < before + MEMORY_BYTES_MAX,
            "the balancer has kept them"
        );
    }
    drop(go);
}

#[test]
fn a_server_that_does_not_read_in_time_is_504() {
    let (go, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::scripted(move |mut peer| {
        let _ = peer.read_head();
        let _ = wait.lock().expect("the lock").recv_timeout(DEADLINE);
    });
    let text = "[[listener]]\nbind = \"BIND\"\ndefault_pool = \"p\"\n\
                [pool.p]\nservers = [\"SERVER0\"]\nserver_timeout = \"300ms\"\n";
    let balancer = Balancer::of_file(text, &[&backend]);
    let mut client = balancer.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {ENDLESS}\r\n\r\n"));
    fill(&mut client);
    assert_eq!(client.response().status(), 504, "it was the server that was slow");
    drop(go);
}

/// Whoever asks without end and reads nothing is answered only as far as somebody holds the answers.
#[test]
fn a_client_that_pipelines_and_does_not_read_is_not_served_on() {
    let page = "x".repeat(60 << 10);
    let long = "x".repeat(8 << 10);
    let answer = format!("HTTP/1.1 204 No Content\r\nX-Long: {long}\r\n\r\n");
    let backend = Backend::answering(answer);
    let nobody = Backend::nobody();
    let text = format!(
        "[[listener]]\nbind = \"BIND\"\ndefault_pool = \"good\"\n\
         errors = {{ 503 = {{ html = \"{page}\" }} }}\n\
         route = [{{ path = \"/bad\", pool = \"bad\" }}]\n\
         [pool.good]\nservers = [\"SERVER0\"]\n[pool.bad]\nservers = [\"SERVER1\"]\n\
         retry = {{ attempts = 0 }}\n"
    );
    let balancer = Balancer::of_file(&text, &[&backend, &nobody]);
    let before = balancer.resident_bytes();
    let mut servers_side = balancer.connect();
    let requests = 20_000;
    thread::scope(|scope| {
        // It gets stuck as soon as the balancer reads no more.
        scope.spawn(|| {
            servers_side.wait_at_most(STUCK);
            let all = GET.repeat(requests);
            let mut rest = all.as_bytes();
            while let Ok(length @ 1..) = servers_side.send_some(rest) {
                rest = &rest[length..];
            }
        });
    });
    let seen = backend.wait_until_still(STUCK).concat();
    let served = String::from_utf8_lossy(&seen).matches("GET / HTTP/1.1").count();
    assert!(served * long.len() < HELD_BYTES_MAX, "{served} answers were made for nobody");
    let mut own_side = balancer.connect();
    own_side.wait_at_most(STUCK);
    own_side.send("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requests / 5));
    // Rounds in which the other client's next request could be answered.
    let mut probe = balancer.connect();
    for _ in 0..requests / 5 {
        assert_eq!(probe.ask(GET).status(), 204);
    }
    let kept = balancer.resident_bytes().saturating_sub(before);
    assert!(kept < MEMORY_BYTES_MAX, "{kept} bytes are kept for nobody");
}

/// What is refused may wait for a client that does not read, but not forever.
#[test]
fn a_refusal_that_is_not_read_ends_in_time() {
    let folder = Folder::new();
    let (sent, has_sent) = channel();
    let backend = Backend::scripted(move |mut peer| {
        let request = peer.read_request().expect("a request");
        let length: usize = request.field("X-Length").expect("a length").parse().expect("a number");
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
        peer.send(vec![b'x'; length]);
        let _ = sent.send(());
        let _ = peer.read_request();
    });
    let bind = folder.file("listen");
    let text = format!(
        "[[listener]]\nbind = [\"BIND\", \"unix:{bind}\"]\ndefault_pool = \"p\"\n\
         client_timeout = \"1s\"\nrequest_timeout = \"200ms\"\n[pool.p]\nservers = [\"SERVER0\"]\n"
    );
    let balancer = Balancer::of_file(&text, &[&backend]);
    // Somewhere among these lies a response of which the socket takes all but what is being sent.
    let clients: Vec<Wire> = (8..32)
        .map(|step| {
            let socket = std::os::unix::net::UnixStream::connect(&bind).expect("a socket");
            let mut client = Wire::new(socket);
            let length = step * (16 << 10);
            client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Length: {length}\r\n\r\n"));
            has_sent.recv_timeout(DEADLINE).expect("all has been sent");
            client.send("GET / HT");
            client
        })
        .collect();
    // Its time is over after that of the others.
    assert_eq!(balancer.ask("GET / HT").status(), 408);
    for mut client in clients {
        // It takes no more than fits into the socket, until there is nobody at the other end.
        let end = loop {
            if let Err(error) = client.send_some(&[b'x'; 64 << 10]) {
                break error.kind();
            }
        };
        assert_ne!(end, ErrorKind::WouldBlock, "the connection is still there");
    }
}

/// Each of them holds what was being sent to it; together they must not hold everything.
#[test]
fn many_clients_that_do_not_read_leave_room_for_others() {
    let folder = Folder::new();
    let backend = Backend::at_path(&folder.file("server"), |mut peer| {
        while let Ok(request) = peer.read_request() {
            if request.head.starts_with("GET /much ") {
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n"));
                fill(&mut peer);
                let _ = peer.read_to_end();
                return;
            }
            peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    let bind = folder.file("listen");
    let text = format!(
        "[[listener]]\nbind = [\"BIND\", \"unix:{bind}\"]\ndefault_pool = \"p\"\n\
         [pool.p]\nservers = [\"SERVER0\"]\n"
    );
    let balancer = Balancer::of_file(&text, &[&backend]);
    let connect = || Wire::new(std::os::unix::net::UnixStream::connect(&bind).expect("a socket"));
    let mut greedy: Vec<Wire> = (0..700).map(|_| connect()).collect();
    for client in &mut greedy {
        client.send("GET /much HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let is_there =
        |bytes: &Vec<u8>| bytes.starts_with(b"GET /much") && bytes.ends_with(b"\r\n\r\n");
    backend.wait_for(|received| received.iter().filter(|one| is_there(one)).count() == 700);
    let mut client = balancer.connect();
    for _ in 0..200 {
        assert_eq!(client.ask(GET).status(), 204);
    }
}
