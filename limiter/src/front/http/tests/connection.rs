//! What holds for every request of a connection.

use super::*;
use crate::front::mutations::survives_mutations;
use crate::limits::OUTPUT_BYTES_MAX;

const AUTH: &str = "GET /auth HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A conversation of all kinds of framing.
fn conversation() -> String {
    let check = post("/check", "{\"rule\":\"burst\"}");
    let chunked = "POST /check HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\n{\"rul\r\nb;x=y\r\ne\":\"daily\"}\r\n0\r\nX: y\r\n\r\n";
    let auth_with_body = "POST /auth HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let old = "GET /nothing HTTP/1.0\r\n\r\n";
    format!(
        "{AUTH}\r\n{check}{chunked}{auth_with_body}HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n{old}"
    )
}

#[test]
fn wherever_the_bytes_are_cut_the_answers_are_the_same() {
    let request = conversation();
    let mut desk = FakeDesk::default();
    let (whole, flow) = talk(&mut front(), &mut desk, &request);
    assert_eq!(flow, Flow::Close);
    assert_eq!(whole.matches("HTTP/1.1 200 OK").count(), 5, "{whole}");
    assert_eq!(whole.matches("HTTP/1.1 404 Not Found").count(), 1, "{whole}");
    let asked = std::mem::take(&mut desk.asked);
    for at in 1..request.len() {
        let mut front = front();
        let (mut first, _) = talk(&mut front, &mut desk, &request[..at]);
        let (second, flow) = talk(&mut front, &mut desk, &request[at..]);
        first.push_str(&second);
        assert_eq!((&first, flow), (&whole, Flow::Close), "cut at {at}");
        assert_eq!(std::mem::take(&mut desk.asked), asked, "cut at {at}");
    }
    let (mut front, mut all) = (front(), String::new());
    for byte in request.as_bytes() {
        let mut out = Vec::new();
        front.receive(&[*byte], &mut desk, &mut out);
        all.push_str(std::str::from_utf8(&out).expect("text"));
    }
    assert_eq!(all, whole);
}

#[test]
fn open_connections_go_over_to_other_settings() {
    let (mut front, mut desk) = (front(), FakeDesk::default());
    for (deny_status, expected) in [(None, "429"), (Some(403), "403"), (None, "429")] {
        let settings = FrontSettings { deny_status, ..FrontSettings::default() };
        front.apply(&Arc::new(settings));
        desk.answers.push_back(Ok(denied()));
        assert_eq!(status(&talk(&mut front, &mut desk, AUTH).0), expected);
    }
}

#[test]
fn pipelined_requests_wait_for_the_one_before() {
    let mut desk = FakeDesk::slow();
    let mut front = front();
    let (reply, flow) = talk(&mut front, &mut desk, &AUTH.repeat(3));
    assert_eq!((&reply[..], flow, desk.asked.len()), ("", Flow::Open, 1));
    assert!(!front.is_in_message(), "the peer owes nothing");
    for asked in [2, 3, 3] {
        let mut out = Vec::new();
        assert_eq!(desk.deliver(&mut front, false, &mut out), Flow::Open);
        assert_eq!((String::from_utf8_lossy(&out), desk.asked.len()), (OK.into(), asked));
    }
    assert!(desk.waiting.is_empty());
}

#[test]
fn what_comes_ahead_is_bounded() {
    let mut desk = FakeDesk::slow();
    let mut front = front();
    let many = AUTH.repeat(65_536 / AUTH.len() + 3);
    let (_, flow) = talk(&mut front, &mut desk, &many);
    assert_eq!(flow, Flow::Full);
    assert_eq!(desk.asked.len(), 1);
    let mut out = Vec::new();
    while !desk.waiting.is_empty() {
        desk.deliver(&mut front, false, &mut out);
    }
    assert_eq!(out.len(), many.len() / AUTH.len() * OK.len());
}

#[test]
fn a_client_that_does_not_read_is_answered_up_to_a_bound() {
    let (mut front, mut desk, mut out) = (front(), FakeDesk::default(), Vec::new());
    let many = 10_000;
    let mut flow = front.receive(AUTH.repeat(many).as_bytes(), &mut desk, &mut out);
    assert_eq!((flow, front.is_in_message()), (Flow::Full, false));
    assert_eq!(front.end_of_stream(&mut desk, &mut out), Flow::Full);
    let mut count = 0;
    while flow == Flow::Full {
        assert!(out.len() < OUTPUT_BYTES_MAX + OK.len(), "{}", out.len());
        count += out.len() / OK.len();
        out.clear();
        flow = front.resume(&mut desk, &mut out);
    }
    assert_eq!((flow, count + out.len() / OK.len()), (Flow::Close, many));
}

#[test]
fn answers_to_nobody_are_dropped() {
    let mut desk = FakeDesk::slow();
    let (mut front, mut out) = (front(), Vec::new());
    assert_eq!(front.answer(0, &allowed(), &mut desk, &mut out), Flow::Open);
    talk(&mut front, &mut desk, AUTH);
    front.answer(1, &allowed(), &mut desk, &mut out);
    assert!(out.is_empty());
    desk.deliver(&mut front, false, &mut out);
    front.answer(0, &allowed(), &mut desk, &mut out);
    assert_eq!(String::from_utf8_lossy(&out), OK);
}

#[test]
fn connections_end_when_they_are_meant_to() {
    let rows = [
        (
            "GET /auth HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "Connection: close",
            Flow::Close,
        ),
        ("GET /auth HTTP/1.0\r\n\r\n", "Connection: close", Flow::Close),
        (
            "GET /auth HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "Connection: keep-alive",
            Flow::Open,
        ),
        (AUTH, "Content-Length: 0", Flow::Open),
    ];
    for (request, line, expected) in rows {
        let (reply, flow) = talk(&mut front(), &mut FakeDesk::default(), request);
        assert_eq!(flow, expected, "{request}");
        assert!(reply.contains(&format!("\r\n{line}\r\n")), "{reply}");
        assert!(expected == Flow::Close || !reply.contains("Connection: close"), "{reply}");
    }
}

#[test]
fn a_peer_that_has_ended_gets_what_it_is_owed() {
    let mut desk = FakeDesk::slow();
    let (mut front, mut out) = (front(), Vec::new());
    assert_eq!(front.end_of_stream(&mut desk, &mut out), Flow::Close);
    let mut front = super::front();
    talk(&mut front, &mut desk, &AUTH.repeat(2));
    assert_eq!(front.end_of_stream(&mut desk, &mut out), Flow::Open);
    assert_eq!(desk.deliver(&mut front, false, &mut out), Flow::Open);
    assert_eq!(desk.deliver(&mut front, false, &mut out), Flow::Close);
    assert_eq!(String::from_utf8_lossy(&out), OK.repeat(2));
}

#[test]
fn draining_ends_connections_behind_what_is_owed() {
    let mut desk = FakeDesk::slow();
    let (mut idle, mut out) = (front(), Vec::new());
    let mut busy = front();
    talk(&mut busy, &mut desk, AUTH);
    desk.is_draining = true;
    assert_eq!(idle.drain(&mut desk, &mut out), Flow::Close);
    assert_eq!(busy.drain(&mut desk, &mut out), Flow::Open);
    assert_eq!(desk.deliver(&mut busy, false, &mut out), Flow::Close);
    assert!(String::from_utf8_lossy(&out).contains("\r\nConnection: close\r\n"));
}

#[test]
fn deadlines_run_while_the_peer_owes_a_rest() {
    let mut desk = FakeDesk::default();
    let rows = [("", false), ("GET", true), (AUTH, false)];
    for (request, expected) in rows {
        let mut front = front();
        talk(&mut front, &mut desk, request);
        assert_eq!(front.is_in_message(), expected, "{request}");
    }
    for path in ["/check", "/auth"] {
        let mut front = front();
        let request = post(path, "{}");
        talk(&mut front, &mut desk, &request[..request.len() - 1]);
        assert!(front.is_in_message(), "{path}");
    }
}

#[test]
fn bodies_have_a_bound() {
    let long = "x".repeat(65_537);
    let chunked = format!(
        "POST /check HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n{long}\r\n0\r\n\r\n"
    );
    let announced = "POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n".to_owned();
    for request in [chunked, announced] {
        let (reply, flow) = talk(&mut front(), &mut FakeDesk::default(), &request);
        assert_eq!((status(&reply), flow), ("413", Flow::Close));
    }
    let fitting = format!("{{\"rule\":\"burst\"}}{}", " ".repeat(65_536 - 16));
    assert_eq!(status(&reply(&mut FakeDesk::default(), &post("/check", &fitting))), "200");
    // A body that nobody wants is passed over up to the same bound.
    let auth = post("/auth", &long);
    let (reply, flow) = talk(&mut front(), &mut FakeDesk::default(), &auth);
    assert_eq!((status(&reply), flow), ("200", Flow::Close));
}

#[test]
fn clients_that_wait_for_100_get_it_where_a_body_is_wanted() {
    let head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n";
    let (mut front, mut desk) = (front(), FakeDesk::default());
    let (interim, _) = talk(&mut front, &mut desk, &format!("POST /check {head}"));
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(status(&talk(&mut front, &mut desk, "{\"rule\":\"burst\"}").0), "200");
    let (whole, _) =
        talk(&mut front, &mut desk, &format!("POST /check {head}{{\"rule\":\"burst\"}}"));
    assert_eq!(status(&whole), "200", "its body was there already");
    for path in ["/auth", "/nothing"] {
        let (reply, flow) = talk(&mut super::front(), &mut desk, &format!("POST {path} {head}"));
        assert_eq!(flow, Flow::Close, "{reply}");
    }
}

#[test]
fn paths_and_methods_that_are_not_there_are_named() {
    let mut desk = FakeDesk::default();
    let unknown = reply(&mut desk, "GET /authx HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        body(&unknown),
        "{\"detail\":\"no such path; there are: /auth and below (any method); /check (POST); \
         /settle (POST); /json (POST); /healthcheck (GET, HEAD); /health (GET, HEAD)\",\
         \"status\":404,\"title\":\"Not Found\",\"type\":\"about:blank\"}"
    );
    for (request, allow) in [("GET /check", "POST"), ("POST /health", "GET, HEAD")] {
        let got = reply(&mut desk, &format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(status(&got), "405");
        assert!(got.contains(&format!("\r\nAllow: {allow}\r\n")), "{got}");
    }
    let head = reply(&mut desk, "HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.ends_with("\r\n\r\n") && head.contains("Content-Length: 2"), "{head}");
}

#[test]
fn health_turns_when_the_process_is_about_to_end() {
    let mut desk = FakeDesk::default();
    let request = "GET /healthcheck HTTP/1.1\r\nHost: a\r\n\r\n";
    let healthy = reply(&mut desk, request);
    assert!(healthy.starts_with("HTTP/1.1 200 OK\r\n") && body(&healthy) == "OK\n", "{healthy}");
    desk.is_draining = true;
    assert_eq!(status(&reply(&mut desk, request)), "503");
}

#[test]
fn hostile_bytes_end_the_connection_with_a_reason() {
    let long_field = format!("GET /auth HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(17_000));
    let rows = [
        ("GET /auth HTTP/1.1\r\n\r\n", "400"),
        ("GET /auth HTTP/1.1\nHost: a\n\n", "400"),
        ("GET /auth HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        ("*1\r\n$4\r\nPING\r\n\r\n", "400"),
        (
            "POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400",
        ),
        ("POST /check HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "400"),
        (&long_field, "431"),
    ];
    for (request, expected) in rows {
        let mut desk = FakeDesk::default();
        let (reply, flow) = talk(&mut front(), &mut desk, request);
        assert_eq!((status(&reply), flow), (expected, Flow::Close), "{request}");
        assert!(desk.asked.is_empty());
    }
}

#[test]
fn mutated_bytes_are_understood_the_same_however_they_are_cut() {
    survives_mutations(conversation().as_bytes(), || Box::new(front()));
}
