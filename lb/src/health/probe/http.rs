//! One HTTP request, and what its response must be.
//!
//! Job: ask for a page on a connection of its own. In: the bytes of the response. Out: a verdict on
//! its status and, if asked for, on a text in its body. Invariant: a response that the proxy would
//! refuse fails here as well; of a body only as many bytes are kept as the text is long, and no
//! more than the bound are looked at.

use memchr::memmem;
use ringlet_protocol::http1::{Body, HeadLimits, Piece, RequestKind, ResponseHead};

use super::{Conversation, Verdict};
use crate::limits::{
    PROBE_BODY_BYTES_MAX, PROBE_INTERIM_RESPONSES_MAX, RESPONSE_FIELDS_MAX, RESPONSE_HEAD_BYTES_MAX,
};

const LIMITS: HeadLimits =
    HeadLimits { head_bytes_max: RESPONSE_HEAD_BYTES_MAX, fields_max: RESPONSE_FIELDS_MAX };

/// See the file's header.
#[derive(Debug)]
pub(super) struct Http {
    request: Vec<u8>,
    kind: RequestKind,
    /// Good ones, from and to.
    status: Vec<(u16, u16)>,
    /// What the body must contain; empty for anything.
    text: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Heads, interim ones and the last.
    Head { received: Vec<u8>, interim_responses: u8 },
    /// The body, and where the search for the text stands in it.
    Body { body: Body, search: Search },
}

/// A search through what comes in pieces.
#[derive(Debug, Default)]
struct Search {
    /// The end of what has been looked at: it may be the beginning of the text.
    tail: Vec<u8>,
    looked_at: usize,
}

impl Search {
    fn is_found(&mut self, text: &[u8], content: &[u8]) -> bool {
        let length = content.len().min(PROBE_BODY_BYTES_MAX - self.looked_at);
        self.looked_at += length;
        self.tail.extend_from_slice(&content[..length]);
        let is_found = memmem::find(&self.tail, text).is_some();
        let useless = self.tail.len().saturating_sub(text.len() - 1);
        self.tail.drain(..useless);
        is_found
    }

    fn is_over(&self) -> bool {
        self.looked_at == PROBE_BODY_BYTES_MAX
    }
}

/// The Host field for a server of which only the address is known.
pub(super) fn host_of(address: &str) -> &str {
    if address.starts_with("unix:") { "localhost" } else { address }
}

impl Http {
    pub(super) fn new(
        method: &str,
        path: &str,
        host: &str,
        status: &[(u16, u16)],
        text: Option<&str>,
    ) -> Self {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ringlet-lb\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
        Self {
            request: request.into_bytes(),
            kind: RequestKind { is_head: method == "HEAD", asked_upgrade: false },
            status: status.to_vec(),
            text: text.unwrap_or_default().into(),
            stage: Stage::Head { received: Vec::new(), interim_responses: 0 },
        }
    }

    /// Reads heads up to the last one; then what has come of the body.
    fn receive_head(&mut self) -> Verdict {
        let Stage::Head { received, interim_responses } = &mut self.stage else {
            return Verdict::More;
        };
        let mut head = ResponseHead::default();
        loop {
            let length = match head.parse(received, &LIMITS, self.kind) {
                Ok(Some(length)) => length,
                Ok(None) => return Verdict::More,
                Err(error) => return Verdict::failed(error.to_string()),
            };
            received.drain(..length);
            if !head.is_interim() {
                break;
            }
            *interim_responses += 1;
            if *interim_responses > PROBE_INTERIM_RESPONSES_MAX {
                return Verdict::failed("too many interim responses");
            }
        }
        let status = head.status();
        if !self.status.iter().any(|&(from, to)| (from..=to).contains(&status)) {
            return Verdict::failed(format!("status {status}"));
        }
        if self.text.is_empty() {
            return Verdict::Passed;
        }
        let rest = std::mem::take(received);
        self.stage = Stage::Body { body: Body::new(head.framing()), search: Search::default() };
        self.receive_body(&rest)
    }

    fn receive_body(&mut self, mut bytes: &[u8]) -> Verdict {
        let Stage::Body { body, search } = &mut self.stage else { return Verdict::More };
        loop {
            match body.next(bytes) {
                Ok(Piece::Data { skip, length }) => {
                    if search.is_found(&self.text, &bytes[skip..skip + length]) {
                        return Verdict::Passed;
                    }
                    if search.is_over() {
                        return self.text_is_missing();
                    }
                    bytes = &bytes[skip + length..];
                }
                Ok(Piece::More { .. }) => return Verdict::More,
                Ok(Piece::End { .. }) => return self.text_is_missing(),
                Err(error) => return Verdict::failed(error.to_string()),
            }
        }
    }

    fn text_is_missing(&self) -> Verdict {
        let text = String::from_utf8_lossy(&self.text);
        Verdict::failed(format!("the body does not contain \"{text}\""))
    }
}

impl Conversation for Http {
    fn start(&mut self, out: &mut Vec<u8>) -> Verdict {
        out.append(&mut self.request);
        Verdict::More
    }

    fn receive(&mut self, bytes: &[u8]) -> Verdict {
        match &mut self.stage {
            Stage::Head { received, .. } => {
                received.extend_from_slice(bytes);
                self.receive_head()
            }
            Stage::Body { .. } => self.receive_body(bytes),
        }
    }

    fn end_of_stream(&mut self) -> Verdict {
        match &mut self.stage {
            Stage::Head { .. } => Verdict::failed("the connection ended before the response"),
            Stage::Body { body, .. } => match body.end_of_stream() {
                Ok(()) => self.text_is_missing(),
                Err(error) => Verdict::failed(error.to_string()),
            },
        }
    }
}
