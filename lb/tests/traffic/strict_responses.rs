//! Servers that break the rules, on purpose or not.
//!
//! Job: each way in which a server's bytes can reach the wrong client, or a client take a part for the
//! whole. In: scripts of servers. Out: what clients see. Invariant: what is no whole response is never
//! delivered as one, and a connection whose state is in doubt never serves again.

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::harness::{Backend, Balancer, DEADLINE, End, Message, Peer, Wire};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that answers the first request of its first connection so, and all else with `OK`.
fn once(answer: impl Into<Vec<u8>>) -> Backend {
    let answer = answer.into();
    Backend::scripted(move |mut peer| {
        if peer.number == 0 && peer.read_request().is_ok() {
            peer.send(&answer);
        }
        serve_ok(&mut peer);
    })
}

/// The same, and the connection ends after it.
fn once_and_close(answer: impl Into<Vec<u8>>) -> Backend {
    let answer = answer.into();
    Backend::scripted(move |mut peer| {
        if peer.number == 0 && peer.read_request().is_ok() {
            return peer.send(&answer);
        }
        serve_ok(&mut peer);
    })
}

fn serve_ok(peer: &mut Peer) {
    while peer.read_request().is_ok() {
        peer.send(OK);
    }
}

/// How the response to a request ends when it does not come as a whole.
fn broken(client: &mut Wire, request: &str) -> End {
    client.send(request);
    match client.read_response() {
        Ok(response) => panic!("a whole response: {response:?}"),
        Err(end) => end,
    }
}

/// The next client is served as if nothing had been.
fn next_is_served(balancer: &Balancer) {
    assert_eq!(balancer.ask(GET).text(), "ok");
}

#[test]
fn heads_that_are_none_become_502_and_are_not_asked_for_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-A: b\0\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/3.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "<html>no head at all</html>\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let backend = once(answer);
        let balancer = Balancer::to(&[&backend]);
        let response = balancer.ask(GET);
        assert_eq!(response.status(), 502, "{answer:?} became {response:?}");
        assert_eq!(backend.text().matches("GET ").count(), 1, "{answer:?} was asked for again");
        next_is_served(&balancer);
        assert_eq!(backend.connections(), 2, "{answer:?} left its connection in use");
    }
}

#[test]
fn heads_that_are_too_large_become_502() {
    let long = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n", "a".repeat(100 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(300));
    for answer in [long, many] {
        let backend = once(answer);
        let balancer = Balancer::to(&[&backend]);
        assert_eq!(balancer.ask(GET).status(), 502);
        next_is_served(&balancer);
    }
}

#[test]
fn bad_chunks_break_the_response() {
    for body in [
        "2\r\nok\r\n0x1\r\na\r\n0\r\n\r\n",
        "2\r\nok\r\n\r\n0\r\n\r\n",
        "2\r\nok\r\n-1\r\n\r\n",
        "2\r\nok0\r\n\r\n",
        "2\r\nok\r\n2\nno\r\n0\r\n\r\n",
        "2\r\nok\r\n11111111111111111\r\n",
        "2\r\nok\r\n0\r\nno colon\r\n\r\n",
    ] {
        let backend = once(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        let balancer = Balancer::to(&[&backend]);
        broken(&mut balancer.connect(), GET);
        next_is_served(&balancer);
        assert_eq!(backend.connections(), 2, "{body:?}");
    }
}

#[test]
fn what_ends_early_is_never_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let backend = once_and_close(answer);
        let balancer = Balancer::to(&[&backend]);
        broken(&mut balancer.connect(), GET);
        // A client of HTTP/1.0 gets no chunks: only a reset says that something is missing.
        let backend = once_and_close(answer);
        let balancer = Balancer::to(&[&backend]);
        let mut client = balancer.connect();
        client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        assert_eq!(client.read_to_end().1, End::Reset, "{answer:?}");
        next_is_served(&balancer);
    }
}

#[test]
fn a_head_that_ends_early_is_502_and_only_repeated_if_that_is_safe() {
    for answer in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"] {
        let backend = once_and_close(answer);
        let balancer = Balancer::to(&[&backend]);
        let response = balancer.ask(POST);
        assert_eq!(response.status(), 502, "{answer:?} {response:?}");
        assert_eq!(backend.text().matches("POST ").count(), 1, "{answer:?}");
        let backend = once_and_close(answer);
        let balancer = Balancer::to(&[&backend]);
        assert_eq!(balancer.ask(GET).text(), "ok", "{answer:?}");
        assert_eq!(backend.text().matches("GET ").count(), 2, "{answer:?}");
    }
}

/// A response behind the response would be the answer to somebody else's request.
#[test]
fn bytes_behind_a_response_reach_nobody() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for answer in [
        format!("{OK}{poison}"),
        format!("{OK}x"),
        format!("HTTP/1.1 204 No Content\r\n\r\n{poison}"),
        "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison".to_owned(),
        format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\n{poison}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{poison}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{poison}"),
    ] {
        let backend = once(answer.clone());
        let balancer = Balancer::to(&[&backend]);
        let mut client = balancer.connect();
        assert_ne!(client.ask(GET).text(), "poison", "{answer:?}");
        let next = client.ask(GET);
        assert_eq!((next.status(), next.text().as_str()), (200, "ok"), "{answer:?}");
        assert_eq!(backend.connections(), 2, "{answer:?} left its connection in use");
    }
}

#[test]
fn bytes_that_come_while_a_connection_is_idle_end_it() {
    let (closed, has_closed) = channel();
    let backend = Backend::scripted(move |mut peer| {
        if peer.number > 0 {
            return serve_ok(&mut peer);
        }
        let _ = peer.read_request();
        peer.send(OK);
        // The balancer's answer to the next bytes is the end of the connection.
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        let _ = closed.send(peer.read_request().is_err());
    });
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    assert_eq!(client.ask(GET).text(), "ok");
    assert_eq!(has_closed.recv_timeout(DEADLINE), Ok(true));
    assert_eq!(client.ask(GET).text(), "ok");
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_connection_that_says_it_closes_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let backend = once(answer);
        let balancer = Balancer::to(&[&backend]);
        let mut client = balancer.connect();
        for _ in 0..2 {
            let response = client.ask(GET);
            assert_eq!((response.status(), response.text().as_str()), (200, "ok"));
            assert_eq!(response.field("Connection"), None, "it is the server's, not ours");
        }
        assert_eq!(backend.connections(), 2, "{answer:?}");
    }
}

#[test]
fn a_body_until_close_has_chunks_and_an_end() {
    for version in ["1.0", "1.1"] {
        let backend = once_and_close(format!("HTTP/{version} 200 OK\r\n\r\nuntil the end"));
        let balancer = Balancer::to(&[&backend]);
        let mut client = balancer.connect();
        let response = client.ask(GET);
        assert_eq!(response.field("Transfer-Encoding").as_deref(), Some("chunked"));
        assert_eq!(response.text(), "until the end");
        assert_eq!(client.ask(GET).text(), "ok", "the client's connection goes on");
        let backend = once_and_close(format!("HTTP/{version} 200 OK\r\n\r\nuntil the end"));
        let balancer = Balancer::to(&[&backend]);
        let mut client = balancer.connect();
        let response = client.ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        assert_eq!(response.field("Transfer-Encoding"), None);
        assert_eq!(response.text(), "until the end");
    }
}

#[test]
fn interim_responses_come_before_the_response() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
    let backend = once(format!("{interim}{OK}"));
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    client.send(GET);
    let statuses: Vec<u16> = (0..3).map(|_| client.response().status()).collect();
    assert_eq!(statuses, [103, 102, 200]);
    assert_eq!(client.ask(GET).text(), "ok");
    assert_eq!(backend.connections(), 1, "interim responses are no reason to leave a connection");

    let backend = once(format!("{interim}{OK}"));
    let balancer = Balancer::to(&[&backend]);
    let response = balancer.ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!((response.status(), response.text().as_str()), (200, "ok"), "1.0 knows no 1xx");
}

#[test]
fn interim_responses_without_end_are_no_response() {
    let backend = Backend::scripted(|mut peer| {
        let _ = peer.read_request();
        let hint = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "a".repeat(8000));
        peer.wait_at_most(Duration::from_secs(5));
        while peer.send_some(hint.as_bytes()).is_ok() {}
    });
    let mut balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    client.send(GET);
    let mut interim = 0;
    let status = loop {
        match client.response().status() {
            103 => interim += 1,
            status => break status,
        }
        assert!(interim < 1000, "they go on and on");
    };
    assert_eq!(status, 502);
    assert!(balancer.is_running());
}

#[test]
fn head_has_no_body_whatever_the_server_says() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let backend = once(length);
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.read_head().expect("a head");
    assert_eq!(head.field("Content-Length").as_deref(), Some("5"));
    assert_eq!(client.ask(GET).text(), "ok", "what follows is the next response");
    assert_eq!(backend.connections(), 1);

    let backend = once(format!("{length}hello"));
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read_head().expect("a head").status(), 200);
    assert_eq!(client.ask(GET).text(), "ok");
    assert_eq!(backend.connections(), 2, "it had sent a body");
}

#[test]
fn statuses_without_a_body_have_none() {
    for (answer, length) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", None),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Some("9")),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", None),
    ] {
        let backend = once(answer);
        let balancer = Balancer::to(&[&backend]);
        let mut client = balancer.connect();
        let response = client.ask(GET);
        assert_eq!(response.field("Content-Length").as_deref(), length, "{answer:?}");
        assert_eq!(response.field("Transfer-Encoding"), None, "{answer:?}");
        assert_eq!(client.ask(GET).text(), "ok", "{answer:?}");
        assert_eq!(backend.connections(), 1, "{answer:?}");
    }
}

#[test]
fn an_answer_before_the_end_of_the_request_ends_both_connections() {
    let backend = Backend::scripted(|mut peer| {
        if peer.number == 0 {
            let _ = peer.read_head();
            peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
            let _ = peer.read_to_end();
            return;
        }
        serve_ok(&mut peer);
    });
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome of it");
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (413, "big"));
    assert_eq!(response.field("Connection").as_deref(), Some("close"));
    client.send(GET);
    assert_eq!(client.read_to_end().0, b"", "the rest of the body is no request");
    next_is_served(&balancer);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn an_answer_that_is_followed_by_a_reset_is_delivered() {
    // With bytes unread its close is a reset.
    let backend = Backend::scripted(|mut peer| {
        let _ = peer.read_head();
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    });
    let balancer = Balancer::to(&[&backend]);
    for _ in 0..20 {
        let mut client = balancer.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
        client.send(vec![b'x'; 300_000]);
        let response: Result<Message, End> = client.read_response();
        let response = response.expect("the answer, not the end of the server's connection");
        assert_eq!((response.status(), response.text().as_str()), (403, "no"));
    }
}

#[test]
fn a_response_in_single_bytes_is_the_same_response() {
    let answer = "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                  5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n";
    let backend = Backend::scripted(move |mut peer| {
        while peer.read_request().is_ok() {
            for byte in answer.as_bytes() {
                peer.send([*byte]);
            }
        }
    });
    let balancer = Balancer::to(&[&backend]);
    let mut client = balancer.connect();
    for _ in 0..3 {
        client.send(GET);
        assert_eq!(client.response().status(), 103);
        let response = client.response();
        assert_eq!((response.text().as_str(), response.trailer.as_str()), ("hello", "X-T: 1\r\n"));
    }
    assert_eq!(backend.connections(), 1);
}
