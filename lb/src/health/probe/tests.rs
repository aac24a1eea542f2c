//! Tests of probes: whole conversations, in pieces, and with servers that answer anything.

use super::*;
use crate::model::Check;
use ringlet_base::random::Random;

const LIMIT: usize = crate::limits::PROBE_BODY_BYTES_MAX;

fn key(kind: CheckKind) -> CheckKey {
    let check = Check {
        kind,
        interval_ms: 2000,
        fast_interval_ms: 500,
        down_interval_ms: 2000,
        timeout_ms: 1000,
        rise: 2,
        fall: 3,
        jitter_percent: 0,
        port: None,
    };
    CheckKey { address: "10.0.0.1:8080".into(), sends_proxy: None, check }
}

fn http_key(method: &str, status: &[(u16, u16)], body: Option<&str>) -> CheckKey {
    key(CheckKind::Http {
        method: method.into(),
        path: "/health?deep=1".into(),
        host: None,
        status: status.to_vec(),
        body: body.map(Into::into),
    })
}

fn resp_key(password: Option<&str>) -> CheckKey {
    key(CheckKind::Resp { password: password.map(Into::into) })
}

/// The verdict on an answer that comes in pieces of `step` bytes, with the end of the stream behind
/// it.
fn answer_in_pieces(key: &CheckKey, answer: &[u8], step: usize) -> Verdict {
    let mut probe = Probe::new(key);
    assert_eq!(probe.start().1, Verdict::More);
    for piece in answer.chunks(step) {
        match probe.receive(piece) {
            Verdict::More => {}
            verdict => return verdict,
        }
    }
    probe.end_of_stream()
}

/// The verdict on an answer, however it is cut.
#[track_caller]
fn answer(key: &CheckKey, answer: &[u8]) -> Verdict {
    let whole = answer_in_pieces(key, answer, answer.len().max(1));
    for step in [1, 2, 3, 7] {
        assert_eq!(answer_in_pieces(key, answer, step), whole, "in pieces of {step}");
    }
    whole
}

fn failed(reason: &str) -> Verdict {
    Verdict::Failed(reason.into())
}

#[test]
fn a_connection_is_all_that_a_tcp_check_asks_for() {
    let mut probe = Probe::new(&key(CheckKind::Tcp));
    assert_eq!(probe.start(), (Vec::new(), Verdict::Passed));
    assert_eq!(probe.end_of_stream(), Verdict::Passed);
}

#[test]
fn a_proxy_header_comes_first() {
    let with =
        |version, kind| Probe::new(&CheckKey { sends_proxy: Some(version), ..key(kind) }).start().0;
    assert_eq!(with(ProxyVersion::V1, CheckKind::Tcp), b"PROXY UNKNOWN\r\n");
    let sent = with(ProxyVersion::V2, CheckKind::Resp { password: None });
    assert_eq!(sent, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0*1\r\n$4\r\nPING\r\n");
}

#[test]
fn an_http_check_asks_for_its_page_and_for_the_end_of_the_connection() {
    let (sent, verdict) = Probe::new(&http_key("GET", &[(200, 399)], None)).start();
    assert_eq!(verdict, Verdict::More);
    assert_eq!(
        String::from_utf8_lossy(&sent),
        "GET /health?deep=1 HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: ringlet-lb\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    let mut named = http_key("GET", &[], None);
    if let CheckKind::Http { host, .. } = &mut named.check.kind {
        *host = Some("shop.example".into());
    }
    let sent = String::from_utf8(Probe::new(&named).start().0).expect("text");
    assert!(sent.contains("\r\nHost: shop.example\r\n"), "{sent}");
    let unix = CheckKey { address: "unix:/run/a".into(), ..http_key("GET", &[], None) };
    let sent = String::from_utf8(Probe::new(&unix).start().0).expect("text");
    assert!(sent.contains("\r\nHost: localhost\r\n"), "{sent}");
}

#[test]
fn the_status_decides() {
    let key = http_key("GET", &[(200, 299), (401, 401)], None);
    let status = |code: u16| {
        let text = format!("HTTP/1.1 {code} Whatever\r\nContent-Length: 0\r\n\r\n");
        answer(&key, text.as_bytes())
    };
    for code in [200, 204, 299, 401] {
        assert_eq!(status(code), Verdict::Passed, "{code}");
    }
    for code in [300, 400, 402, 503] {
        assert_eq!(status(code), failed(&format!("status {code}")));
    }
}

#[test]
fn without_a_text_the_body_is_not_waited_for() {
    let key = http_key("GET", &[(200, 399)], None);
    let mut probe = Probe::new(&key);
    probe.start();
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    assert_eq!(probe.receive(head), Verdict::Passed);
    assert_eq!(probe.receive(b"more"), Verdict::Passed, "the first verdict is the last word");
    assert_eq!(probe.end_of_stream(), Verdict::Passed);
}

#[test]
fn interim_responses_are_passed_over_but_not_for_ever() {
    let key = http_key("GET", &[(100, 399)], None);
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let with = |count: usize| {
        let text = interim.repeat(count) + "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
        answer(&key, text.as_bytes())
    };
    assert_eq!(with(1), failed("status 500"));
    assert_eq!(with(8), failed("status 500"));
    assert_eq!(with(9), failed("too many interim responses"));
}

#[test]
fn a_text_is_found_in_every_framing_and_however_it_is_cut() {
    let key = http_key("GET", &[(200, 399)], Some("all is well"));
    let missing = failed("the body does not contain \"all is well\"");
    let bodies = [
        ("Content-Length: 21\r\n", "now: all is well. Bye", "now: all is weak. Bye"),
        ("", "now: all is well. Bye", "now: all is"),
        (
            "Transfer-Encoding: chunked\r\n",
            "7;x=y\r\nnow: al\r\n1\r\nl\r\n9\r\n is well.\r\n0\r\n\r\n",
            "7\r\nnow: al\r\n1\r\nl\r\n9\r\n is weak.\r\n0\r\nX: all is well\r\n\r\n",
        ),
    ];
    for (field, good, bad) in bodies {
        let with = |body: &str| format!("HTTP/1.1 200 OK\r\n{field}\r\n{body}").into_bytes();
        assert_eq!(answer(&key, &with(good)), Verdict::Passed, "{field}");
        assert_eq!(answer(&key, &with(bad)), missing, "{field}");
    }
    // A text that repeats itself is found from its second beginning.
    let key = http_key("GET", &[(200, 399)], Some("aab"));
    let body = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\naaaab";
    assert_eq!(answer(&key, body), Verdict::Passed);
    // A status that is wrong is not made good by the text, nor the other way round.
    let body = b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\naab";
    assert_eq!(answer(&key, body), failed("status 500"));
}

#[test]
fn a_response_without_a_body_contains_no_text() {
    let missing = failed("the body does not contain \"x\"");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(answer(&http_key("HEAD", &[(200, 399)], Some("x")), head), missing);
    let none = b"HTTP/1.1 204 No Content\r\n\r\nx";
    assert_eq!(answer(&http_key("GET", &[(200, 399)], Some("x")), none), missing);
}

#[test]
fn only_the_beginning_of_a_body_is_looked_at() {
    let key = http_key("GET", &[(200, 399)], Some("needle"));
    let at = |place: usize| {
        let mut text = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        text.resize(text.len() + place, b'n');
        text.extend_from_slice(b"needle");
        text.resize(text.len() + 1000, b'.');
        answer_in_pieces(&key, &text, 1500)
    };
    assert_eq!(at(LIMIT - 6), Verdict::Passed);
    let missing = failed("the body does not contain \"needle\"");
    assert_eq!(at(LIMIT - 5), missing);
    assert_eq!(at(10 * LIMIT), missing);
    // The end is not waited for.
    let mut probe = Probe::new(&key);
    probe.start();
    probe.receive(b"HTTP/1.1 200 OK\r\n\r\n");
    let mut verdicts = (0..=LIMIT / 1000).map(|_| probe.receive(&[b'n'; 1000]));
    assert_eq!(verdicts.find(|verdict| *verdict != Verdict::More), Some(missing));
}

#[test]
fn what_ends_early_or_is_no_response_fails() {
    let key = http_key("GET", &[(200, 399)], Some("x"));
    let early = failed("the connection ended before the response");
    assert_eq!(answer(&key, b""), early);
    assert_eq!(answer(&key, b"HTTP/1.1 200 OK\r\nContent-Le"), early);
    let truncated = failed("the connection ended before the body");
    assert_eq!(answer(&key, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), truncated);
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    assert_eq!(answer(&key, chunked), truncated);
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..],
        b"-ERR unknown command\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let text = String::from_utf8_lossy(garbage);
        assert!(matches!(answer(&key, garbage), Verdict::Failed(_)), "{text}");
    }
}

#[test]
fn a_head_without_end_is_given_up() {
    let mut probe = Probe::new(&http_key("GET", &[(200, 399)], None));
    probe.start();
    assert_eq!(probe.receive(b"HTTP/1.1 200 OK\r\n"), Verdict::More);
    let verdict = (0..100)
        .map(|_| probe.receive("X: y\r\n".repeat(100).as_bytes()))
        .find(|verdict| *verdict != Verdict::More);
    assert_eq!(verdict, Some(failed("the head has too many bytes or fields")));
}

#[test]
fn redis_must_say_pong_and_accept_the_password() {
    let mut probe = Probe::new(&resp_key(Some("s3cret")));
    let sent = b"*2\r\n$4\r\nAUTH\r\n$6\r\ns3cret\r\n*1\r\n$4\r\nPING\r\n";
    assert_eq!(probe.start(), (sent.to_vec(), Verdict::More));
    assert_eq!(answer(&resp_key(Some("s3cret")), b"+OK\r\n+PONG\r\n"), Verdict::Passed);
    assert_eq!(answer(&resp_key(None), b"+PONG\r\n"), Verdict::Passed);
}

#[test]
fn what_redis_says_instead_is_the_reason() {
    for error in [
        "-LOADING Redis is loading the dataset in memory",
        "-NOAUTH Authentication required.",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    ] {
        let verdict = answer(&resp_key(None), format!("{error}\r\n").as_bytes());
        assert_eq!(verdict, failed(error));
    }
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    let text = format!("{wrong}\r\n-NOAUTH Authentication required.\r\n");
    assert_eq!(answer(&resp_key(Some("no")), text.as_bytes()), failed(wrong));
    let other = failed("the reply is not +PONG");
    assert_eq!(answer(&resp_key(None), b"$4\r\nPONG\r\n"), other);
    assert_eq!(answer(&resp_key(None), b"+OK\r\n"), other);
    assert_eq!(answer(&resp_key(Some("x")), b"+PONG\r\n"), failed("the reply is not +OK"));
    let ended = failed("the connection ended before the reply");
    assert_eq!(answer(&resp_key(None), b"+PON"), ended);
    assert_eq!(answer(&resp_key(Some("x")), b"+OK\r\n"), ended);
    assert_eq!(
        answer(&resp_key(None), b"HTTP/1.1 400 Bad\r\n\r\n"),
        failed("the bytes are no RESP reply")
    );
}

#[test]
fn a_reply_without_end_is_given_up() {
    let mut probe = Probe::new(&resp_key(None));
    probe.start();
    let verdict = std::iter::once(probe.receive(b"$900000000\r\n"))
        .chain((0..100).map(|_| probe.receive(&[b'x'; 100])))
        .position(|verdict| verdict == failed("the reply is too long"));
    assert_eq!(verdict, Some(11));
}

#[test]
fn a_reason_is_short_and_without_control_characters() {
    let text = format!("-ERR \x1b[31m\x07{}\r\n", "\u{fc}".repeat(300));
    let Verdict::Failed(reason) = answer(&resp_key(None), text.as_bytes()) else {
        panic!("an error is a failure");
    };
    assert!(reason.starts_with("-ERR  [31m \u{fc}") && reason.len() <= 160, "{reason}");
}

/// Random answers, made of what could mean something: no panic, and the first verdict stays.
#[test]
fn no_answer_panics() {
    let words: [&[u8]; 16] = [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 C\r\n\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n",
        b"ffffffffffffffff\r\n",
        b"+PONG\r\n",
        b"+OK\r\n",
        b"-ERR\r\n",
        b"$-9\r\n",
        b"*99999999\r\n",
        b"\xff\0",
        b":",
        b"\n",
    ];
    let keys = [
        http_key("GET", &[(200, 399)], Some("lo")),
        http_key("HEAD", &[(200, 399)], None),
        resp_key(None),
        resp_key(Some("x")),
        key(CheckKind::Tcp),
    ];
    let seed = 0x5eed_0b0e;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    for _ in 0..20_000 {
        let mut probe = Probe::new(&keys[random.below(keys.len() as u64) as usize]);
        let mut verdict = probe.start().1;
        for _ in 0..random.below(12) {
            let next = probe.receive(words[random.below(words.len() as u64) as usize]);
            assert!(verdict == Verdict::More || next == verdict);
            verdict = next;
        }
        assert_ne!(probe.end_of_stream(), Verdict::More);
    }
}
