//! HTTP/1.1: checks for proxies (`/auth`) and for programs (`/check`, `/settle`, `/json`).
//!
//! Job: requests in, responses out, one after the other. In: bytes of a connection. Out: bytes to send.
//! Invariant: responses come in the order of requests; while one is owed nothing behind its request is
//! looked at, and what has come ahead is bounded; a request that two readers could understand in two
//! ways ends the connection.
//!
//! A request goes: `mod` (where it ends) -> `endpoints` (a table) -> `auth`, `check` or `envoy` (what it
//! asks) -> `exchange` (until all is answered) -> the same file (what that means) -> `response`.

mod auth;
mod check;
mod endpoints;
mod envoy;
mod exchange;
mod parameters;
mod response;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use ringlet_limit::request::Verdict;
use ringlet_protocol::http1::{Body, Framing, HeadLimits, Piece, RequestHead};

use crate::front::{Desk, Flow, Front, FrontSettings, use_up};
use crate::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_FIELDS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_PIPELINED_BYTES_MAX,
    OUTPUT_BYTES_MAX,
};
use endpoints::{Ask, Incoming, Telling};
use exchange::Exchange;
use response::{About, Refusal};

const LIMITS: HeadLimits =
    HeadLimits { head_bytes_max: HTTP_HEAD_BYTES_MAX, fields_max: HTTP_FIELDS_MAX };

/// A connection that speaks HTTP/1.
#[derive(Debug)]
pub struct HttpFront {
    settings: Arc<FrontSettings>,
    peer: Option<IpAddr>,
    /// What has come and is not used yet.
    pending: Vec<u8>,
    head: RequestHead,
    phase: Phase,
    /// The walk through the body of the request that is being read or answered.
    walk: Body,
    /// Bytes of its content so far.
    walked_bytes: usize,
    /// Its content, if somebody wants it.
    body: Vec<u8>,
    exchange: Exchange,
    /// The body of the response that is being written.
    scratch: Vec<u8>,
    /// Whether the end of a request was reached in the last call.
    has_request_come: bool,
    /// Whether requests are left until there is room for their responses.
    is_without_room: bool,
    has_peer_ended: bool,
}

/// What the front waits for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The head of a request.
    Head,
    /// A body that its endpoint wants.
    Body,
    /// Answers.
    Answers,
    /// The end of a body that nobody wants; the response has been written.
    RestOfBody,
    /// Nothing.
    Closed,
}

impl HttpFront {
    /// A connection that has just begun; `peer` is who made it.
    #[must_use]
    pub fn new(settings: Arc<FrontSettings>, peer: Option<IpAddr>) -> Self {
        Self {
            settings,
            peer,
            pending: Vec::new(),
            head: RequestHead::default(),
            phase: Phase::Head,
            walk: Body::new(Framing::None),
            walked_bytes: 0,
            body: Vec::new(),
            exchange: Exchange::default(),
            scratch: Vec::new(),
            has_request_come: false,
            is_without_room: false,
            has_peer_ended: false,
        }
    }

    /// Uses as much of `input` as can be used now; says how much.
    fn advance(&mut self, input: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        self.is_without_room = false;
        loop {
            let rest = &input[at..];
            at += match self.phase {
                Phase::Head if !rest.is_empty() && out.len() >= OUTPUT_BYTES_MAX => {
                    self.is_without_room = true;
                    return at;
                }
                Phase::Head if !rest.is_empty() => match self.head.parse(rest, &LIMITS) {
                    Ok(None) => return at,
                    Ok(Some(length)) => {
                        self.begin(rest, length, desk, out);
                        length
                    }
                    Err(error) => {
                        let about = About { version_minor: 1, ..About::default() };
                        Refusal::of(error.status(), error.to_string()).write(about, out);
                        self.phase = Phase::Closed;
                        0
                    }
                },
                Phase::Body | Phase::RestOfBody => match self.walk_on(rest, desk, out) {
                    0 if matches!(self.phase, Phase::Body | Phase::RestOfBody) => return at,
                    walked => walked,
                },
                Phase::Closed => return input.len(),
                Phase::Head | Phase::Answers => return at,
            };
        }
    }

    /// A head is complete: it is the first `length` bytes of `input`.
    fn begin(&mut self, input: &[u8], length: usize, desk: &mut dyn Desk, out: &mut Vec<u8>) {
        let (head, head_bytes) = (&self.head, &input[..length]);
        let about = About {
            is_head: head.is_head(head_bytes),
            version_minor: head.version_minor(),
            keeps_alive: head.keeps_alive() && !desk.is_draining(),
        };
        self.walk = Body::new(head.framing());
        self.has_request_come |= self.walk.has_ended();
        self.walked_bytes = 0;
        self.body.clear();
        self.exchange.about = about;
        // Whoever waits for 100 may send the body or not when it gets something else.
        let is_owed_interim = head.expects_continue() && input.len() == length;
        let is_too_long =
            matches!(head.framing(), Framing::Length(bytes) if bytes > HTTP_BODY_BYTES_MAX as u64);
        let has_endpoint = endpoints::find(head.method(head_bytes), head.path(head_bytes));
        if is_too_long || (is_owed_interim && !matches!(has_endpoint, Ok(one) if one.wants_body()))
        {
            self.exchange.about.keeps_alive = false;
        }
        let endpoint = match has_endpoint {
            Ok(endpoint) => endpoint,
            Err(refusal) => return self.refuse(&refusal, out),
        };
        self.exchange.begin(self.exchange.about, endpoint);
        match endpoint.ask {
            Ask::Head(ask) => {
                let settings = &*self.settings;
                let incoming =
                    Incoming { head: &self.head, input: head_bytes, peer: self.peer, settings };
                match ask(&incoming, &mut self.exchange, desk) {
                    Ok(()) => self.await_answers(desk, out),
                    Err(refusal) => self.refuse(&refusal, out),
                }
            }
            Ask::Body(_) if is_too_long => self.refuse(&too_long(), out),
            Ask::Body(_) => {
                self.phase = Phase::Body;
                if is_owed_interim && !self.walk.has_ended() {
                    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                if self.walk.has_ended() {
                    self.ask_of_body(desk, out);
                }
            }
        }
    }

    /// Walks through one piece of a body; says how many bytes that was.
    fn walk_on(&mut self, input: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) -> usize {
        let is_wanted = self.phase == Phase::Body;
        let walked = match self.walk.next(input) {
            Ok(Piece::Data { skip, length }) => {
                self.walked_bytes += length;
                if is_wanted && self.walked_bytes <= HTTP_BODY_BYTES_MAX {
                    self.body.extend_from_slice(&input[skip..skip + length]);
                }
                skip + length
            }
            Ok(Piece::More { consumed } | Piece::End { consumed }) => consumed,
            Err(error) => {
                self.fail_body(&Refusal::bad(error.to_string()), out);
                return 0;
            }
        };
        self.has_request_come |= self.walk.has_ended();
        if self.walked_bytes > HTTP_BODY_BYTES_MAX {
            self.fail_body(&too_long(), out);
        } else if self.walk.has_ended() && is_wanted {
            self.ask_of_body(desk, out);
        } else if self.walk.has_ended() {
            self.phase = Phase::Head;
        }
        walked
    }

    /// A body cannot be read to its end, and so the connection ends. Its request may be answered already.
    fn fail_body(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        if self.phase == Phase::Body {
            self.exchange.about.keeps_alive = false;
            self.refuse(refusal, out);
        }
        self.phase = Phase::Closed;
    }

    fn ask_of_body(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) {
        let Some(Ask::Body(ask)) = self.exchange.endpoint.map(|endpoint| &endpoint.ask) else {
            return;
        };
        match ask(&self.body, &self.settings, &mut self.exchange, desk) {
            Ok(()) => self.await_answers(desk, out),
            Err(refusal) => self.refuse(&refusal, out),
        }
    }

    /// All has been asked.
    fn await_answers(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) {
        self.phase = Phase::Answers;
        if !self.exchange.is_complete() {
            return;
        }
        self.exchange.about.keeps_alive &= !desk.is_draining();
        if let Some(endpoint) = self.exchange.endpoint {
            let telling = Telling { desk, settings: &self.settings };
            self.scratch.clear();
            (endpoint.answer)(&self.exchange, &telling, &mut self.scratch, out);
        }
        self.go_on();
    }

    fn refuse(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        refusal.write(self.exchange.about, out);
        self.go_on();
    }

    /// The response has been written.
    fn go_on(&mut self) {
        self.exchange.endpoint = None;
        self.phase = match (self.exchange.about.keeps_alive, self.walk.has_ended()) {
            (false, _) => Phase::Closed,
            (true, true) => Phase::Head,
            (true, false) => Phase::RestOfBody,
        };
        if self.body.capacity() > HTTP_HEAD_BYTES_MAX {
            self.body = Vec::new();
        }
    }

    /// Uses what waits, and what has come now.
    fn advance_pending(&mut self, bytes: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        let pending = std::mem::take(&mut self.pending);
        self.pending =
            use_up(pending, bytes, HTTP_HEAD_BYTES_MAX, |input| self.advance(input, desk, out));
        self.flow()
    }

    fn flow(&self) -> Flow {
        match self.phase {
            Phase::Closed => Flow::Close,
            _ if self.is_without_room => Flow::Full,
            Phase::Answers if self.pending.len() >= HTTP_PIPELINED_BYTES_MAX => Flow::Full,
            Phase::Answers => Flow::Open,
            _ if self.has_peer_ended => Flow::Close,
            _ => Flow::Open,
        }
    }
}

fn too_long() -> Refusal {
    Refusal::of(413, format!("the body has more than {HTTP_BODY_BYTES_MAX} bytes"))
}

impl Front for HttpFront {
    fn receive(&mut self, bytes: &[u8], desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        self.has_request_come = false;
        self.advance_pending(bytes, desk, out)
    }

    fn answer(
        &mut self,
        ticket: u32,
        verdict: &Verdict,
        desk: &mut dyn Desk,
        out: &mut Vec<u8>,
    ) -> Flow {
        self.has_request_come = false;
        if self.phase == Phase::Answers && self.exchange.take(ticket, verdict) {
            self.await_answers(desk, out);
            if self.phase != Phase::Answers {
                return self.advance_pending(&[], desk, out);
            }
        }
        self.flow()
    }

    fn resume(&mut self, desk: &mut dyn Desk, out: &mut Vec<u8>) -> Flow {
        self.has_request_come = false;
        self.advance_pending(&[], desk, out)
    }

    fn end_of_stream(&mut self, _: &mut dyn Desk, _: &mut Vec<u8>) -> Flow {
        self.has_peer_ended = true;
        self.flow()
    }

    fn drain(&mut self, _: &mut dyn Desk, _: &mut Vec<u8>) -> Flow {
        if self.phase == Phase::Head && self.pending.is_empty() {
            self.phase = Phase::Closed;
        }
        self.flow()
    }

    fn apply(&mut self, settings: &Arc<FrontSettings>) {
        self.settings = settings.clone();
    }

    fn is_in_message(&self) -> bool {
        match self.phase {
            Phase::Head => !self.pending.is_empty() && !self.is_without_room,
            Phase::Body | Phase::RestOfBody => true,
            Phase::Answers | Phase::Closed => false,
        }
    }

    fn has_message_come(&self) -> bool {
        self.has_request_come
    }
}
