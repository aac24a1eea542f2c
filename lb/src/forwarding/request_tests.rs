//! Tests of the heads that go to servers: exact bytes for each rule, and that they parse as the same
//! request.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use ringlet_base::random::Random;
use ringlet_protocol::http1::{Framing, HeadLimits, RequestHead};

use super::*;
use crate::model::{Forwarding, Rewrite};

const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 8192, fields_max: 64 };
const NOTHING: Forwarding =
    Forwarding { x_forwarded: false, forwarded: false, via: false, request_id: false };

fn context() -> RequestContext<'static> {
    RequestContext {
        forwarding: NOTHING,
        client: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        is_trusted: false,
        scheme: "http",
        request_id: None,
        server_host: b"10.0.0.1:9000",
        upgrade: None,
        keeps_alive: true,
        rewrites: Rewrites::default(),
    }
}

fn parsed(input: &str) -> RequestHead {
    let mut head = RequestHead::default();
    assert_eq!(head.parse(input.as_bytes(), &LIMITS), Ok(Some(input.len())), "{input}");
    head
}

/// The head that goes to the server; the one that came in is `lines`, with CRLF between them.
fn forwarded(lines: &[&str], context: &RequestContext<'_>) -> Vec<String> {
    let input = format!("{}\r\n\r\n", lines.join("\r\n"));
    let head = parsed(&input);
    let mut out = b"before".to_vec();
    write_request(&mut out, &head, input.as_bytes(), context);
    let out = String::from_utf8(out).expect("text");
    let out = out.strip_prefix("before").expect("what was there stays");
    let again = parsed(out);
    assert_eq!(again.framing(), head.framing(), "{out}");
    assert_eq!(again.method(out.as_bytes()), head.method(input.as_bytes()));
    let lines = out.strip_suffix("\r\n\r\n").expect("an empty line");
    lines.split("\r\n").map(str::to_string).collect()
}

#[track_caller]
fn check(lines: &[&str], context: &RequestContext<'_>, expected: &[&str]) {
    assert_eq!(forwarded(lines, context), expected);
}

#[test]
fn an_ordinary_request_goes_on_with_its_fields_in_order() {
    check(
        &["GET /a%20b?c=d HTTP/1.1", "Accept: */*", "Host: Example.com", "x-1: 2", "Cookie: a=b"],
        &context(),
        &["GET /a%20b?c=d HTTP/1.1", "Host: Example.com", "Accept: */*", "x-1: 2", "Cookie: a=b"],
    );
}

#[test]
fn lines_are_normalised() {
    check(
        &["GET / HTTP/1.1", "A:1", "B: \t 2 \t", "Host: a", "C:", "D:  ", "E: 3", "F:4"],
        &context(),
        &["GET / HTTP/1.1", "Host: a", "A: 1", "B: 2", "C: ", "D: ", "E: 3", "F: 4"],
    );
}

#[test]
fn the_target_takes_its_origin_form() {
    for (line, expected) in [
        ("GET http://a HTTP/1.1", "GET / HTTP/1.1"),
        ("GET http://a/ HTTP/1.1", "GET / HTTP/1.1"),
        ("GET HTTP://a?q HTTP/1.1", "GET /?q HTTP/1.1"),
        ("GET http://a/b/../c?q=/ HTTP/1.1", "GET /b/../c?q=/ HTTP/1.1"),
        ("OPTIONS * HTTP/1.1", "OPTIONS * HTTP/1.1"),
        ("OPTIONS http://a HTTP/1.1", "OPTIONS * HTTP/1.1"),
        ("OPTIONS http://a/ HTTP/1.1", "OPTIONS / HTTP/1.1"),
        ("OPTIONS http://a? HTTP/1.1", "OPTIONS /? HTTP/1.1"),
        ("purge //x/%2e%2e HTTP/1.1", "purge //x/%2e%2e HTTP/1.1"),
        ("GET /? HTTP/1.1", "GET /? HTTP/1.1"),
    ] {
        check(&[line, "Host: a"], &context(), &[expected, "Host: a"]);
    }
}

#[test]
fn an_old_client_becomes_a_new_one() {
    let old = ["GET / HTTP/1.0", "Connection: keep-alive", "Keep-Alive: timeout=5"];
    check(&old, &context(), &["GET / HTTP/1.1", "Host: 10.0.0.1:9000"]);
    let with_host = ["GET / HTTP/1.0", "Host: a", "TE: trailers", "Expect: 100-continue"];
    check(&with_host, &context(), &["GET / HTTP/1.1", "Host: a"]);
}

#[test]
fn fields_of_the_connection_stay_behind() {
    check(
        &[
            "GET / HTTP/1.1",
            "Host: a",
            "Connection: close, X-Secret,keep-alive",
            "x-secret: 1",
            "Keep-Alive: 5",
            "Proxy-Connection: keep-alive",
            "TE: gzip;q=0.5",
            "Upgrade: websocket",
            "X-Other: 2",
            "Via: 1.1 other",
            "Connection: Via",
        ],
        &context(),
        &["GET / HTTP/1.1", "Host: a", "X-Other: 2"],
    );
}

#[test]
fn framing_is_stated_once() {
    let body = |fields: &[&str]| {
        let lines = [&["POST / HTTP/1.1", "Host: a"], fields].concat();
        forwarded(&lines, &context()).split_off(2)
    };
    assert_eq!(body(&["Content-Length: 010", "A: b"]), ["A: b", "Content-Length: 10"]);
    assert_eq!(body(&["content-length:0"]), ["Content-Length: 0"]);
    assert_eq!(body(&[]), [""; 0]);
    assert_eq!(
        body(&["transfer-encoding: Chunked", "Trailer: X-Sum"]),
        ["Trailer: X-Sum", "Transfer-Encoding: chunked"]
    );
    assert_eq!(body(&["Trailer: X-Sum", "Content-Length: 1"]), ["Content-Length: 1"]);
    assert_eq!(
        body(&["Expect: 100-Continue", "Content-Length: 1"]),
        ["Expect: 100-Continue", "Content-Length: 1"]
    );
}

#[test]
fn connection_says_what_is_meant_for_the_server() {
    let base = context();
    let last = |te: &str, upgrade, keeps_alive| {
        let context = RequestContext { upgrade, keeps_alive, ..base };
        forwarded(&["GET / HTTP/1.1", "Host: a", te], &context).split_off(2)
    };
    assert_eq!(last("TE: gzip", None, true), [""; 0]);
    assert_eq!(last("TE: gzip", None, false), ["Connection: close"]);
    assert_eq!(last("TE: gzip, Trailers", None, true), ["TE: trailers", "Connection: te"]);
    assert_eq!(last("TE: trailers", None, false), ["TE: trailers", "Connection: close, te"]);
    let websocket = Some(&b"websocket"[..]);
    assert_eq!(last("Upgrade: x", websocket, false), ["Upgrade: websocket", "Connection: upgrade"]);
    assert_eq!(
        last("TE: trailers", websocket, true),
        ["Upgrade: websocket", "TE: trailers", "Connection: upgrade, te"]
    );
}

#[test]
fn upgrades_to_another_version_of_http_are_not_passed_on() {
    for (fields, expected) in [
        ("Connection: upgrade\r\nUpgrade: websocket\r\n", Some("websocket")),
        ("Connection: Upgrade\r\nUpgrade: foo/2, bar\r\n", Some("foo/2, bar")),
        ("Upgrade: websocket\r\n", None),
        ("Connection: upgrade\r\n", None),
        ("Connection: upgrade\r\nUpgrade:\r\n", None),
        ("Connection: upgrade\r\nUpgrade: h2c\r\n", None),
        ("Connection: upgrade\r\nUpgrade: websocket, H2C\r\n", None),
        ("Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n", None),
        ("Connection: upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n", None),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", None),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n", None),
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let upgrade = passed_upgrade(&parsed(&input), input.as_bytes());
        assert_eq!(upgrade, expected.map(str::as_bytes), "{fields}");
    }
}

const SPOOFED: &[&str] = &[
    "GET / HTTP/1.1",
    "Host: example.com:8080",
    "X-Forwarded-For: 1.1.1.1",
    "x-forwarded-for: 2.2.2.2, 3.3.3.3",
    "X-Forwarded-For:",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: www.example.com",
    "X-Forwarded-User: root",
    "X_Forwarded_For: 4.4.4.4",
    "X-Forwarded_Port: 443",
    "Content_Type: x",
    "Forwarded: for=1.1.1.1",
    "Forwarded: for=2.2.2.2;proto=https",
    "X-Real-IP: 1.1.1.1",
    "X-Request-Id: given",
    "X-Kept: 1",
];

#[test]
fn nothing_that_a_stranger_says_of_itself_is_believed() {
    let quiet = ["Content_Type: x", "X-Request-Id: given", "X-Kept: 1"];
    assert_eq!(forwarded(SPOOFED, &context())[2..], quiet);
    let all = Forwarding { x_forwarded: true, forwarded: true, via: true, request_id: true };
    let context = RequestContext { forwarding: all, request_id: Some(b"made"), ..context() };
    assert_eq!(
        forwarded(SPOOFED, &context)[2..],
        [
            "Content_Type: x",
            "X-Kept: 1",
            "X-Forwarded-For: 192.0.2.1",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Host: example.com:8080",
            "Forwarded: for=192.0.2.1;host=\"example.com:8080\";proto=http",
            "X-Request-Id: made",
            "Via: 1.1 ringlet",
        ]
    );
}

#[test]
fn what_a_trusted_peer_says_is_kept_and_added_to() {
    let trusted = RequestContext { is_trusted: true, ..context() };
    assert_eq!(
        forwarded(SPOOFED, &trusted)[2..],
        [
            "X-Forwarded-For: 1.1.1.1",
            "x-forwarded-for: 2.2.2.2, 3.3.3.3",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: www.example.com",
            "X-Forwarded-User: root",
            "X-Forwarded_Port: 443",
            "Content_Type: x",
            "Forwarded: for=1.1.1.1",
            "Forwarded: for=2.2.2.2;proto=https",
            "X-Real-IP: 1.1.1.1",
            "X-Request-Id: given",
            "X-Kept: 1",
        ]
    );
    let forwarding = Forwarding { x_forwarded: true, forwarded: true, ..NOTHING };
    let context = RequestContext {
        forwarding,
        client: Some("2001:db8::1".parse().expect("an address")),
        scheme: "https",
        ..trusted
    };
    assert_eq!(
        forwarded(SPOOFED, &context)[2..],
        [
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: www.example.com",
            "X-Forwarded-User: root",
            "X-Forwarded_Port: 443",
            "Content_Type: x",
            "X-Real-IP: 1.1.1.1",
            "X-Request-Id: given",
            "X-Kept: 1",
            "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 2001:db8::1",
            "Forwarded: for=1.1.1.1, for=2.2.2.2;proto=https, \
             for=\"[2001:db8::1]\";host=\"example.com:8080\";proto=https",
        ]
    );
}

#[test]
fn clients_without_address_or_host_are_told_of_too() {
    let forwarding = Forwarding { x_forwarded: true, forwarded: true, via: true, ..NOTHING };
    let context = RequestContext { forwarding, client: None, ..context() };
    check(
        &["GET / HTTP/1.0"],
        &context,
        &[
            "GET / HTTP/1.1",
            "Host: 10.0.0.1:9000",
            "X-Forwarded-Proto: http",
            "Forwarded: for=unknown;proto=http",
            "Via: 1.0 ringlet",
        ],
    );
    let trusted = RequestContext { is_trusted: true, ..context };
    let lines = forwarded(&["GET / HTTP/1.0", "X-Forwarded-For: 1.1.1.1"], &trusted);
    assert_eq!(lines[2], "X-Forwarded-For: 1.1.1.1");
}

#[test]
fn the_configuration_has_the_last_word() {
    let text = |text: &str| text.to_string();
    let first = [
        Rewrite::Set(text("x-forwarded-proto"), text("https")),
        Rewrite::Remove(text("Via")),
        Rewrite::Remove(text("forwarded")),
        Rewrite::Set(text("X-Forwarded-For"), text("hidden")),
        Rewrite::Remove(text("X-Forwarded-Host")),
        Rewrite::Remove(text("x-request-id")),
        Rewrite::Set(text("X-A"), text("1")),
    ];
    let second = [
        Rewrite::Add(text("x-a"), text("2")),
        Rewrite::Set(text("Host"), text("inner")),
        Rewrite::Remove(text("cookie")),
    ];
    let all = Forwarding { x_forwarded: true, forwarded: true, via: true, request_id: true };
    let context = RequestContext {
        forwarding: all,
        request_id: Some(b"made"),
        rewrites: Rewrites { first: &first, second: &second },
        ..context()
    };
    check(
        &["GET / HTTP/1.1", "Host: outer", "X-a: 0", "Cookie: a", "Via: 1.0 other", "B: c"],
        &context,
        &[
            "GET / HTTP/1.1",
            "Host: inner",
            "B: c",
            "x-forwarded-proto: https",
            "X-Forwarded-For: hidden",
            "X-A: 1",
            "x-a: 2",
        ],
    );
}

#[test]
fn request_ids_of_trusted_peers_are_kept_if_they_fit_a_log() {
    for (value, is_trusted, is_kept) in [
        ("abc-123", true, true),
        ("abc-123", false, false),
        ("", true, false),
        ("a b", true, false),
        (&"x".repeat(128), true, true),
        (&"x".repeat(129), true, false),
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\nx-request-id: {value}\r\n\r\n");
        let kept = kept_request_id(&parsed(&input), input.as_bytes(), is_trusted);
        assert_eq!(kept, is_kept.then_some(value.as_bytes()), "{value}");
    }
    let mut random = Random::new(1);
    let ids = [make_request_id(&mut random), make_request_id(&mut random)];
    assert_ne!(ids[0], ids[1]);
    assert_ne!(ids[0][..16], ids[0][16..]);
    assert!(ids.iter().flatten().all(|digit| b"0123456789abcdef".contains(digit)));
}

proptest! {
    /// Whatever is accepted, what goes on is accepted too, with the same body and the same path, and a
    /// second balancer behind us would send the same bytes.
    #[test]
    fn what_goes_on_reads_as_what_came(
        line in "(GET|POST|OPTIONS) (/[a-z%2/.?]{0,8}|http://a(/x)?(\\?y)?) HTTP/1\\.[01]",
        fields in prop::collection::vec(
            "(A|Te|Via|Expect|Upgrade|Trailer|Connection|Cookie|X-Forwarded-For|Forwarded|X_Real_Ip|\
             Content-Length|Transfer-Encoding):( |\t){0,2}(close|upgrade|a|chunked|5|0|trailers|\
             100-continue|b, c)?( |\t){0,2}",
            0..6,
        ),
        is_trusted in any::<bool>(),
        has_all in any::<bool>(),
    ) {
        let fields = fields.join("\r\n");
        let end = if fields.is_empty() { "" } else { "\r\n" };
        let input = format!("{line}\r\nHost: a\r\n{fields}{end}\r\n");
        let mut head = RequestHead::default();
        let is_accepted = matches!(head.parse(input.as_bytes(), &LIMITS), Ok(Some(_)));
        prop_assume!(is_accepted);
        let forwarding = Forwarding { x_forwarded: has_all, forwarded: has_all, ..NOTHING };
        let context = RequestContext { forwarding, is_trusted, ..context() };
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        write_request(&mut once, &head, input.as_bytes(), &context);
        let again = parsed(std::str::from_utf8(&once).expect("text"));
        prop_assert_eq!(again.framing(), head.framing());
        prop_assert_eq!(again.query(&once), head.query(input.as_bytes()));
        prop_assert!(again.framing() != Framing::UntilClose);
        let quiet = RequestContext { forwarding: NOTHING, is_trusted: true, ..context };
        write_request(&mut twice, &again, &once, &quiet);
        let (once, twice) = (once.escape_ascii(), twice.escape_ascii());
        prop_assert_eq!(once.to_string(), twice.to_string());
    }
}
