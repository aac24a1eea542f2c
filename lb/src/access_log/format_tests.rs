//! Lines, byte by byte.
//!
//! Job: pin the formats. In: entries. Out: failures. Invariant: what is expected is written out.

use super::format::{Entry, Subject, TimeText, write_line};
use crate::model::LogFormat;

const TIME: TimeText<'static> = TimeText {
    common: "26/Nov/2026:02:37:33 +0100",
    second: "2026-11-26T02:37:33",
    millisecond: 7,
    offset: "+01:00",
};

pub fn entry() -> Entry<'static> {
    Entry {
        time: TIME,
        client: Some(([10, 0, 0, 1], 5000).into()),
        listener: "web",
        subject: Subject::Http { method: b"GET", target: b"/a?b=c d", version_minor: 1 },
        status: Some(200),
        body_bytes: 1234,
        received_bytes: None,
        referrer: Some(b"http://example.com/"),
        user_agent: Some(b"curl/7.88.1"),
        pool: Some("main"),
        server: Some("one"),
        total_us: Some(5000),
        head_us: Some(4000),
        queue_us: 0,
        attempts: 1,
        request_id: Some(b"abc"),
        end: "complete",
    }
}

/// Of which nothing is known.
fn unknown() -> Entry<'static> {
    Entry {
        client: None,
        subject: Subject::Unread,
        status: None,
        body_bytes: 0,
        referrer: None,
        user_agent: None,
        pool: None,
        server: None,
        total_us: None,
        head_us: None,
        attempts: 0,
        request_id: None,
        end: "the client has left",
        ..entry()
    }
}

fn line(format: LogFormat, entry: &Entry<'_>) -> String {
    let mut out = b"before\n".to_vec();
    write_line(&mut out, format, entry);
    let out = String::from_utf8(out).expect("all formats are text");
    let line = out.strip_prefix("before\n").and_then(|line| line.strip_suffix('\n'));
    line.expect("one line behind what was there").to_owned()
}

#[test]
fn common_is_that_of_nginx() {
    assert_eq!(
        line(LogFormat::Common, &entry()),
        r#"10.0.0.1 - - [26/Nov/2026:02:37:33 +0100] "GET /a?b=c d HTTP/1.1" 200 1234"#
    );
    assert_eq!(
        line(LogFormat::Common, &unknown()),
        r#"unix: - - [26/Nov/2026:02:37:33 +0100] "-" - 0"#
    );
    let client = Some("[2001:db8::1]:80".parse().expect("an address"));
    let subject = Subject::Http { method: b"HEAD", target: b"*", version_minor: 0 };
    assert_eq!(
        line(LogFormat::Common, &Entry { client, subject, status: Some(7), ..entry() }),
        r#"2001:db8::1 - - [26/Nov/2026:02:37:33 +0100] "HEAD * HTTP/1.0" 007 1234"#
    );
}

#[test]
fn a_tcp_connection_has_bytes_both_ways() {
    let tcp = Entry { subject: Subject::Tcp, received_bytes: Some(56), status: None, ..entry() };
    assert_eq!(
        line(LogFormat::Common, &tcp),
        r#"10.0.0.1 - - [26/Nov/2026:02:37:33 +0100] "TCP received=56 sent=1234" - 1234"#
    );
}

#[test]
fn combined_adds_referrer_and_user_agent() {
    let start = r#"10.0.0.1 - - [26/Nov/2026:02:37:33 +0100] "GET /a?b=c d HTTP/1.1" 200 1234"#;
    assert_eq!(
        line(LogFormat::Combined, &entry()),
        format!(r#"{start} "http://example.com/" "curl/7.88.1""#)
    );
    // A field that is there and empty is not one that is missing.
    let empty = Entry { referrer: Some(b""), user_agent: None, ..entry() };
    assert_eq!(line(LogFormat::Combined, &empty), format!(r#"{start} "" "-""#));
}

#[test]
fn what_is_no_plain_text_is_escaped_as_nginx_does() {
    let subject = Subject::Http {
        method: b"G\"T",
        target: b"/\\\n\x00\x1f ~\x7f\x80\xff/end",
        version_minor: 1,
    };
    let user_agent = Some(&b"\"\r\n1.2.3.4 - -\xc3\xa9"[..]);
    assert_eq!(
        line(LogFormat::Combined, &Entry { subject, user_agent, referrer: None, ..entry() }),
        r#"10.0.0.1 - - [26/Nov/2026:02:37:33 +0100] "G\x22T /\x5C\x0A\x00\x1F ~\x7F\x80\xFF/end HTTP/1.1" 200 1234 "-" "\x22\x0D\x0A1.2.3.4 - -\xC3\xA9""#
    );
}

#[test]
fn json_has_all_that_is_known() {
    assert_eq!(
        line(LogFormat::Json, &entry()),
        r#"{"time":"2026-11-26T02:37:33.007+01:00","client":"10.0.0.1","client_port":5000,"listener":"web","method":"GET","target":"/a?b=c d","protocol":"HTTP/1.1","status":200,"body_bytes":1234,"received_bytes":null,"referrer":"http://example.com/","user_agent":"curl/7.88.1","pool":"main","server":"one","total_us":5000,"head_us":4000,"queue_us":0,"attempts":1,"request_id":"abc","end":"complete"}"#
    );
    assert_eq!(
        line(LogFormat::Json, &unknown()),
        r#"{"time":"2026-11-26T02:37:33.007+01:00","client":null,"client_port":null,"listener":"web","method":null,"target":null,"protocol":null,"status":null,"body_bytes":0,"received_bytes":null,"referrer":null,"user_agent":null,"pool":null,"server":null,"total_us":null,"head_us":null,"queue_us":0,"attempts":0,"request_id":null,"end":"the client has left"}"#
    );
}

#[test]
fn json_is_strict() {
    let user_agent = Some(&b"\"\\\r\n\t\x00\x08\x1f\x7f \xc3\xa9 \xff\xfe \xe2\x82"[..]);
    let line = line(LogFormat::Json, &Entry { user_agent, ..entry() });
    let escaped = r#""user_agent":"\"\\\r\n\t\u0000\u0008\u001f"#;
    let rest = "\u{7f} \u{e9} \u{fffd}\u{fffd} \u{fffd}\",\"pool\"";
    assert!(line.contains(&format!("{escaped}{rest}")), "{line}");
}
