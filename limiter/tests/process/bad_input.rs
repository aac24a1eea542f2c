//! Questions that cannot be meant, bytes that are none, clients that do not go on: each gets a clear answer
//! or an end, and nobody else notices.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ringlet_check::random::{Choices, seed};

use crate::http::{ask, check};
use crate::limiter::{Limiter, PATIENCE};

const RULES: &str = "[rule.login]\nlimit = 5\nwindow = \"1h\"\nkey = [\"header:x-key\"]\n\
    [rule.user]\nlimit = 5\nwindow = \"1h\"\ndescriptor = \"user\"\nkey = [\"descriptor:user\"]\n";

#[test]
fn a_question_that_cannot_be_answered_is_told_why() {
    let mut limiter = Limiter::start(2, "", "", RULES);
    let descriptor =
        |value: &str| format!("{{\"descriptors\":[[{{\"key\":\"user\",\"value\":\"{value}\"}}]]}}");
    let large = descriptor(&"x".repeat(2000));
    let many = format!("{{\"descriptors\":[{}]}}", vec!["[{\"key\":\"user\"}]"; 65].join(","));
    let deep = "[".repeat(10_000);
    let huge = descriptor(&"x".repeat(100_000));
    let table: [(&str, u16, &str); 11] = [
        ("{\"rule\":\"logn\",\"key\":\"k\"}", 400, "did you mean `login`?"),
        ("{\"domain\":\"nowhere\",\"descriptors\":[[{\"key\":\"plan\"}]]}", 200, "\"limits\":[]"),
        ("{\"rule\":\"login\",\"key\":\"k\",\"cost\":6}", 429, "\"retry_after_ms\":null"),
        ("{\"rule\":\"login\",\"key\":\"k\",\"cost\":18446744073709551615}", 429, "null"),
        ("{\"rule\":\"login\",\"key\":\"k\",\"cost\":-1}", 400, "integer `-1`"),
        (&large, 400, ""),
        (&many, 400, ""),
        (&deep, 400, ""),
        (&huge, 413, "bytes"),
        ("{\"rule\":", 400, ""),
        ("\u{0}", 400, ""),
    ];
    for (body, status, text) in table {
        let answer = check(limiter.http, body);
        let shown: String = body.chars().take(100).collect();
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        assert!(answer.body.contains(text), "{shown}: {}", answer.body);
        assert!(answer.body.len() < 1000, "{shown}: {}", answer.body);
    }
    // None of it has cost anything.
    let right = check(limiter.http, "{\"rule\":\"login\",\"key\":\"k\",\"cost\":5}");
    assert_eq!(right.status, 200, "{}", right.body);
    assert_eq!(ask(limiter.http, "GET", "/nowhere", "", "").status, 404);
    limiter.assert_well();
}

#[test]
fn a_redis_client_reads_what_is_wrong_and_goes_on() {
    let mut limiter = Limiter::start(2, "", "", RULES);
    let mut connection = limiter.connect();
    let table: [(&[&str], &str); 6] = [
        (&["THROTTLE", "logn", "k"], "did you mean `login`?"),
        (&["THROTTLE", "login"], "wrong number of arguments"),
        (&["THROTTLE", "login", "k", "99999999999999999999"], "not an integer"),
        (&["CL.THROTTLE", "k", "1", "0", "0"], "Zero rates"),
        (&["CL.THROTTLE", "k", "x", "1", "1"], "Couldn't parse as integer: x"),
        (&["FLUSHALL"], "unknown command"),
    ];
    for (words, text) in table {
        let reply = connection.command(words).expect("a reply");
        assert!(format!("{reply:?}").contains(text), "{words:?}: {reply:?}");
    }
    let reply = connection.command(&["THROTTLE", "login", "k", "6"]).expect("a reply");
    let numbers: Vec<_> = reply.items().expect("five").iter().map(|one| one.integer()).collect();
    assert_eq!(numbers[..4], [Some(1), Some(5), Some(5), Some(-1)]);
    let word = "x".repeat(100_000);
    let reply = connection.command(&["THROTTLE", "login", &word]).expect("a reply");
    assert!(format!("{reply:?}").contains("Protocol error"), "{reply:?}");
    limiter.assert_well();
}

/// Bytes that begin as something that is understood.
fn nonsense(choices: &mut Choices, beginnings: &[&[u8]]) -> Vec<u8> {
    let mut bytes = choices.pick(beginnings).to_vec();
    for _ in 0..choices.below(8) {
        let at = choices.below(bytes.len().max(1));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = choices.below(256) as u8;
        }
    }
    for _ in 0..choices.below(600) {
        bytes.push(choices.below(256) as u8);
    }
    bytes
}

#[test]
fn bytes_that_mean_nothing_hurt_nobody() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    // HEADERS of stream 1 that end neither the headers nor the stream.
    let headers = [&settings[..], &[0, 0, 4, 1, 0, 0, 0, 0, 1, 0x83, 0x86, 0x84, 0x41]].concat();
    let http: [&[u8]; 3] = [
        b"POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n{\"rule\":\"login\",\"key\":\"a\"}   ",
        b"GET /auth HTTP/1.1\r\nHost: a\r\nX-Original-URI: /%2e%2e/\r\n\r\n",
        b"POST /json HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dom\r\n0\r\n\r\n",
    ];
    let resp: [&[u8]; 3] = [
        b"*3\r\n$8\r\nTHROTTLE\r\n$5\r\nlogin\r\n$1\r\nk\r\n",
        b"CL.THROTTLE user 1 2 3\r\n",
        b"*-1\r\n*0\r\n$4\r\n",
    ];
    let grpc: [&[u8]; 3] = [PREFACE, &settings, &headers];
    let mut limiter = Limiter::start(2, "", "", RULES);
    let mut choices = Choices::new(seed());
    for (address, beginnings) in [(limiter.http, http), (limiter.resp, resp), (limiter.grpc, grpc)]
    {
        for _ in 0..300 {
            let mut socket = TcpStream::connect(address).expect("it accepts a connection");
            socket.set_read_timeout(Some(PATIENCE)).expect("an option");
            // It may have hung up before it has read all.
            let _ = socket.write_all(&nonsense(&mut choices, &beginnings));
            let _ = socket.shutdown(std::net::Shutdown::Write);
            let _ = socket.read_to_end(&mut Vec::new());
        }
        limiter.assert_well();
    }
    let answer = check(limiter.http, "{\"rule\":\"login\",\"key\":\"new\"}");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Whoever has begun a message has ten seconds for it.
#[test]
fn who_does_not_go_on_is_let_go() {
    const LONGEST: Duration = Duration::from_secs(30);
    let mut limiter = Limiter::start(2, "", "", RULES);
    let begun: [(SocketAddr, &[u8]); 4] = [
        (limiter.http, b"GET /auth HTTP/1.1\r\nHo"),
        (limiter.http, b"POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{"),
        (limiter.resp, b"*3\r\n$8\r\nTHRO"),
        (limiter.grpc, b"PRI * HTTP/2.0\r\n"),
    ];
    let mut idle = limiter.connect();
    let sockets: Vec<TcpStream> = begun
        .iter()
        .map(|(address, bytes)| {
            let mut socket = TcpStream::connect(address).expect("it accepts a connection");
            socket.write_all(bytes).expect("it takes bytes");
            socket.set_read_timeout(Some(LONGEST)).expect("an option");
            socket
        })
        .collect();
    let start = Instant::now();
    for (mut socket, (_, bytes)) in sockets.into_iter().zip(begun) {
        let shown = bytes.escape_ascii();
        let mut answer = Vec::new();
        let ended = socket.read_to_end(&mut answer);
        let is_reset =
            ended.as_ref().is_err_and(|why| why.kind() == std::io::ErrorKind::ConnectionReset);
        assert!(ended.is_ok() || is_reset, "{shown}: {ended:?} after {:?}", start.elapsed());
    }
    // Who has begun nothing may stay.
    assert_eq!(idle.command(&["PING"]).expect("it is there").text(), Some("PONG"));
    limiter.assert_well();
}
