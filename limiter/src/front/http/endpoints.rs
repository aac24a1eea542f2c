//! What there is to ask over HTTP.
//!
//! Job: find the endpoint of a request. In: method and path. Out: an [`Endpoint`] or a refusal that says
//! what there is. Invariant: an endpoint is one row; its `ask` writes nothing and its `answer` asks
//! nothing.

use std::net::IpAddr;

use ringlet_limit::headers::Report;
use ringlet_limit::request::Verdict;
use ringlet_protocol::http1::RequestHead;

use super::exchange::Exchange;
use super::response::{Refusal, write_response};
use super::{auth, check, envoy};
use crate::front::{Desk, FrontSettings};

/// A path, who may use it, and what it does: one row of [`ENDPOINTS`].
#[derive(Debug)]
pub(super) struct Endpoint {
    path: &'static str,
    /// Whether all paths below it are it too.
    has_paths_below: bool,
    /// Empty: all.
    methods: &'static str,
    pub(super) ask: Ask,
    /// With a buffer for the body, empty, and the one for the response.
    pub(super) answer: fn(&Exchange, &Telling<'_>, &mut Vec<u8>, &mut Vec<u8>),
}

/// What an endpoint asks from.
#[derive(Debug)]
pub(super) enum Ask {
    /// The head; a body is passed over.
    Head(AskOfHead),
    /// The body.
    Body(AskOfBody),
}

type AskOfHead = fn(&Incoming<'_>, &mut Exchange, &mut dyn Desk) -> Result<(), Refusal>;
type AskOfBody = fn(&[u8], &FrontSettings, &mut Exchange, &mut dyn Desk) -> Result<(), Refusal>;

/// The head of a request and where it came from.
pub(super) struct Incoming<'a> {
    pub(super) head: &'a RequestHead,
    /// The bytes of the head.
    pub(super) input: &'a [u8],
    pub(super) peer: Option<IpAddr>,
    pub(super) settings: &'a FrontSettings,
}

/// What answers are written with.
pub(super) struct Telling<'a> {
    pub(super) desk: &'a dyn Desk,
    pub(super) settings: &'a FrontSettings,
}

impl<'a> Telling<'a> {
    pub(super) fn report(&self, verdict: &'a Verdict) -> Report<'a> {
        Report { rules: self.desk.rules(), verdict, unix_ms: self.desk.now().unix_ms }
    }
}

const ENDPOINTS: [Endpoint; 6] = [
    Endpoint {
        path: "/auth",
        has_paths_below: true,
        methods: "",
        ask: Ask::Head(auth::ask),
        answer: auth::answer,
    },
    Endpoint {
        path: "/check",
        has_paths_below: false,
        methods: "POST",
        ask: Ask::Body(check::ask),
        answer: check::answer,
    },
    Endpoint {
        path: "/settle",
        has_paths_below: false,
        methods: "POST",
        ask: Ask::Body(check::ask_settlement),
        answer: check::answer,
    },
    Endpoint {
        path: "/json",
        has_paths_below: false,
        methods: "POST",
        ask: Ask::Body(envoy::ask),
        answer: envoy::answer,
    },
    Endpoint {
        path: "/healthcheck",
        has_paths_below: false,
        methods: "GET, HEAD",
        ask: Ask::Head(|_, _, _| Ok(())),
        answer: answer_health,
    },
    Endpoint {
        path: "/health",
        has_paths_below: false,
        methods: "GET, HEAD",
        ask: Ask::Head(|_, _, _| Ok(())),
        answer: answer_health,
    },
];

/// The endpoint for a method and a path.
pub(super) fn find(method: &[u8], path: &[u8]) -> Result<&'static Endpoint, Refusal> {
    let is_at = |endpoint: &&Endpoint| match path.strip_prefix(endpoint.path.as_bytes()) {
        Some([]) => true,
        Some([b'/', ..]) => endpoint.has_paths_below,
        _ => false,
    };
    let Some(endpoint) = ENDPOINTS.iter().find(is_at) else {
        let known: Vec<String> = ENDPOINTS.iter().map(Endpoint::shown).collect();
        let text = format!("no such path; there are: {}", known.join("; "));
        return Err(Refusal::of(404, text));
    };
    let mut methods = endpoint.methods.split(", ").map(str::as_bytes);
    if !endpoint.methods.is_empty() && !methods.any(|one| one == method) {
        let text = format!("{} is for {}", endpoint.path, endpoint.methods);
        return Err(Refusal { allow: endpoint.methods, ..Refusal::of(405, text) });
    }
    Ok(endpoint)
}

impl Endpoint {
    pub(super) fn wants_body(&self) -> bool {
        matches!(self.ask, Ask::Body(_))
    }

    fn shown(&self) -> String {
        let methods = if self.methods.is_empty() { "any method" } else { self.methods };
        let below = if self.has_paths_below { " and below" } else { "" };
        format!("{}{below} ({methods})", self.path)
    }
}

/// A process that is about to end wants no new clients.
fn answer_health(exchange: &Exchange, telling: &Telling<'_>, _: &mut Vec<u8>, out: &mut Vec<u8>) {
    let (status, text): (u16, &[u8]) =
        if telling.desk.is_draining() { (503, b"draining\n") } else { (200, b"OK\n") };
    write_response(out, exchange.about, status, "text/plain", text, |_| {});
}
