//! Tests of the heads that go to clients: exact bytes for each rule, for old and new clients.

use ringlet_protocol::http1::{Framing, HeadLimits, RequestKind, ResponseHead};

use super::*;
use crate::model::{Rewrite, Sticky};

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 8192, fields_max: 64 };
const GET: RequestKind = RequestKind { is_head: false, asked_upgrade: false };
const HEAD: RequestKind = RequestKind { is_head: true, ..GET };
const UPGRADE: RequestKind = RequestKind { asked_upgrade: true, ..GET };

const NEW: ResponseContext<'static> = ResponseContext {
    client_minor: 1,
    keeps_alive: true,
    adds_via: false,
    cookie: None,
    rewrites: Rewrites { first: &[], second: &[] },
    fields: &[],
};
const OLD: ResponseContext<'static> = ResponseContext { client_minor: 0, ..NEW };

fn parsed(input: &str, kind: RequestKind) -> ResponseHead {
    let mut head = ResponseHead::default();
    assert_eq!(head.parse(input.as_bytes(), &LIMITS, kind), Ok(Some(input.len())), "{input}");
    head
}

/// The lines that go to the client, and how the body follows.
fn delivered(
    lines: &[&str],
    kind: RequestKind,
    context: &ResponseContext<'_>,
) -> (Vec<String>, Delivery) {
    let input = format!("{}\r\n\r\n", lines.join("\r\n"));
    let head = parsed(&input, kind);
    let mut out = b"before".to_vec();
    let delivery = write_response(&mut out, &head, input.as_bytes(), context);
    let out = String::from_utf8(out).expect("text");
    let out = out.strip_prefix("before").expect("what was there stays");
    if out.is_empty() {
        return (vec![], delivery);
    }
    if !head.is_interim() {
        let again = parsed(out, kind);
        assert_eq!(again.framing(), delivery.framing, "the client must find the same end: {out}");
        if head.status() != 101 {
            let says_stays = if context.client_minor == 0 {
                out.contains("Connection: keep-alive")
            } else {
                again.keeps_alive()
            };
            assert_eq!(says_stays, delivery.keeps_alive, "{out}");
        }
    }
    let lines = out.strip_suffix("\r\n\r\n").expect("an empty line");
    (lines.split("\r\n").map(str::to_string).collect(), delivery)
}

#[track_caller]
fn check(
    lines: &[&str],
    kind: RequestKind,
    context: &ResponseContext<'_>,
    expected: &[&str],
    framing: Framing,
) {
    let (lines, delivery) = delivered(lines, kind, context);
    assert_eq!(lines, expected);
    assert_eq!(delivery.framing, framing);
}

#[test]
fn an_ordinary_response_goes_on_with_its_fields_in_order() {
    check(
        &["HTTP/1.1 200 Fine", "Server:  x", "Content-Length: 5", "Set-Cookie: a", "Set-Cookie: b"],
        GET,
        &NEW,
        &["HTTP/1.1 200 Fine", "Server: x", "Set-Cookie: a", "Set-Cookie: b", "Content-Length: 5"],
        Framing::Length(5),
    );
    check(
        &["HTTP/1.0 404 ", "Content-Length: 0"],
        GET,
        &NEW,
        &["HTTP/1.1 404 ", "Content-Length: 0"],
        Framing::None,
    );
}

#[test]
fn fields_of_the_connection_stay_behind() {
    check(
        &[
            "HTTP/1.1 200 OK",
            "Connection: close, X-Hop",
            "X-Hop: 1",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: close",
            "Upgrade: h2c",
            "Trailer: X-Sum",
            "X-End: 2",
            "Content-Length: 5",
        ],
        GET,
        &NEW,
        &["HTTP/1.1 200 OK", "X-End: 2", "Content-Length: 5"],
        Framing::Length(5),
    );
}

#[test]
fn chunks_are_for_new_clients_only() {
    let chunked = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Trailer: X-Sum"];
    check(
        &chunked,
        GET,
        &NEW,
        &["HTTP/1.1 200 OK", "Trailer: X-Sum", "Transfer-Encoding: chunked"],
        Framing::Chunked,
    );
    check(&chunked, GET, &OLD, &["HTTP/1.1 200 OK", "Connection: close"], Framing::UntilClose);
    let until_close = ["HTTP/1.0 200 OK"];
    check(
        &until_close,
        GET,
        &NEW,
        &["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"],
        Framing::Chunked,
    );
    check(&until_close, GET, &OLD, &["HTTP/1.1 200 OK", "Connection: close"], Framing::UntilClose);
}

#[test]
fn connection_says_what_is_meant_for_the_client() {
    let response = ["HTTP/1.1 200 OK", "Content-Length: 1"];
    let last = |context: ResponseContext<'_>| {
        let (lines, delivery) = delivered(&response, GET, &context);
        assert_eq!(delivery.keeps_alive, context.keeps_alive);
        lines[2..].to_vec()
    };
    assert_eq!(last(NEW), [""; 0]);
    assert_eq!(last(OLD), ["Connection: keep-alive"]);
    assert_eq!(last(ResponseContext { keeps_alive: false, ..NEW }), ["Connection: close"]);
    assert_eq!(last(ResponseContext { keeps_alive: false, ..OLD }), ["Connection: close"]);
}

#[test]
fn responses_without_body_state_the_length_they_would_have() {
    let with = |status: &str, field: &str, kind| {
        let (lines, delivery) = delivered(&[&format!("HTTP/1.1 {status} x"), field], kind, &NEW);
        assert_eq!(delivery, Delivery { framing: Framing::None, keeps_alive: true });
        lines[1..].to_vec()
    };
    assert_eq!(with("200", "Content-Length: 7", HEAD), ["Content-Length: 7"]);
    assert_eq!(with("200", "Transfer-Encoding: chunked", HEAD), [""; 0]);
    assert_eq!(with("200", "A: b", HEAD), ["A: b"]);
    assert_eq!(with("304", "Content-Length: 7", GET), ["Content-Length: 7"]);
    assert_eq!(with("304", "Transfer-Encoding: chunked", GET), [""; 0]);
    assert_eq!(with("204", "Content-Length: 7", GET), [""; 0]);
    assert_eq!(with("204", "Transfer-Encoding: chunked", GET), [""; 0]);
}

#[test]
fn interim_responses_go_to_new_clients_as_they_are() {
    let remove = [Rewrite::Remove("Link".into()), Rewrite::Add("X".into(), "y".into())];
    let rewrites = Rewrites { first: &remove, second: &[] };
    let hints = ["HTTP/1.1 103 Early Hints", "Link:</a>", "Connection: close", "Content-Length: 1"];
    let context = ResponseContext { adds_via: true, rewrites, ..NEW };
    let expected = ["HTTP/1.1 103 Early Hints", "Link: </a>"];
    check(&hints, GET, &context, &expected, Framing::None);
    check(&["HTTP/1.1 100 Continue"], GET, &NEW, &["HTTP/1.1 100 Continue"], Framing::None);
    check(&["HTTP/1.1 100 Continue"], GET, &OLD, &[], Framing::None);
    let (_, delivery) = delivered(&hints, GET, &NEW);
    assert!(delivery.keeps_alive, "the response is still to come");
}

#[test]
fn an_upgrade_is_passed_on() {
    check(
        &[
            "HTTP/1.1 101 Switching Protocols",
            "upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Accept: x",
        ],
        UPGRADE,
        &ResponseContext { keeps_alive: false, ..NEW },
        &[
            "HTTP/1.1 101 Switching Protocols",
            "Sec-WebSocket-Accept: x",
            "Upgrade: websocket",
            "Connection: upgrade",
        ],
        Framing::None,
    );
}

#[test]
fn via_cookie_and_changes_are_added() {
    let sticky = Sticky { cookie: "srv".into(), max_age_s: 0, http_only: true, secure: false };
    let route = [Rewrite::Set("A".into(), "1".into()), Rewrite::Remove("Server".into())];
    let listener = [Rewrite::Add("a".into(), "2".into()), Rewrite::Remove("Set-Cookie".into())];
    let context = ResponseContext {
        adds_via: true,
        cookie: Some((&sticky, "s1")),
        rewrites: Rewrites { first: &route, second: &listener },
        fields: b"RateLimit: \"x\";r=1\r\n",
        ..NEW
    };
    check(
        &[
            "HTTP/1.0 200 OK",
            "A: 0",
            "Server: x",
            "Set-Cookie: y",
            "Via: 1.1 z",
            "Content-Length: 1",
        ],
        GET,
        &context,
        &[
            "HTTP/1.1 200 OK",
            "Via: 1.1 z",
            "Via: 1.0 ringlet",
            "Set-Cookie: srv=s1; Path=/; HttpOnly",
            "A: 1",
            "a: 2",
            "RateLimit: \"x\";r=1",
            "Content-Length: 1",
        ],
        Framing::Length(1),
    );
}
