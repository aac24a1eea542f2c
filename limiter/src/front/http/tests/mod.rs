//! Tests of the HTTP front, from bytes to bytes.

mod auth;
mod check;
mod connection;
mod envoy;

use std::sync::Arc;

use ringlet_limit::algorithm::Outcome;
use ringlet_limit::request::Verdict;
use ringlet_limit::time::NS_PER_S;

use super::HttpFront;
use crate::front::fake_desk::{FakeDesk, given};
use crate::front::{Flow, Front, FrontSettings};

fn front() -> HttpFront {
    HttpFront::new(Arc::default(), "10.0.0.9".parse().ok())
}

fn front_with(change: impl FnOnce(&mut FrontSettings)) -> HttpFront {
    let mut settings = FrontSettings::default();
    change(&mut settings);
    HttpFront::new(Arc::new(settings), "10.0.0.9".parse().ok())
}

/// What comes back for `request`.
fn talk(front: &mut HttpFront, desk: &mut FakeDesk, request: &str) -> (String, Flow) {
    let mut out = Vec::new();
    let flow = front.receive(request.as_bytes(), desk, &mut out);
    (String::from_utf8(out).expect("text"), flow)
}

/// What a new connection gets for `request`.
fn reply(desk: &mut FakeDesk, request: &str) -> String {
    talk(&mut front(), desk, request).0
}

fn status(reply: &str) -> &str {
    reply.get(9..12).unwrap_or(reply)
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").map_or(reply, |(_, body)| body)
}

fn allowed() -> Verdict {
    given(Outcome { is_allowed: true, remaining: 3, reset_after_ns: 12 * NS_PER_S, ..NONE })
}

fn denied() -> Verdict {
    given(Outcome { retry_after_ns: 1_500_000_000, reset_after_ns: 30 * NS_PER_S, ..NONE })
}

const NONE: Outcome =
    Outcome { is_allowed: false, remaining: 0, retry_after_ns: 0, reset_after_ns: 0, delay_ns: 0 };
