//! Responses.
//!
//! Job: frame what there is to say. In: status, header lines, body. Out: the bytes of a response.
//! Invariant: its length is always stated; no answer to HEAD has a body; what a client has sent stands
//! in no response but as a JSON string.

use ringlet_protocol::http1::{reason, write_connection};

use ringlet_limit::headers::PROBLEM_TYPE;

/// What the request's head says about the form of its response.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct About {
    pub(super) is_head: bool,
    /// The digit behind `HTTP/1.`.
    pub(super) version_minor: u8,
    /// Whether the connection goes on behind the response.
    pub(super) keeps_alive: bool,
}

/// A request that is not answered but with what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// What is wrong, and what to do.
    pub(super) text: String,
    /// Methods that the path has, for 405.
    pub(super) allow: &'static str,
}

impl Refusal {
    /// A request that says what cannot be.
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::of(400, text)
    }

    pub(super) fn of(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), allow: "" }
    }

    pub(super) fn write(&self, about: About, out: &mut Vec<u8>) {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": reason(self.status),
            "status": self.status,
            "detail": self.text,
        });
        let body = body.to_string().into_bytes();
        write_response(out, about, self.status, PROBLEM_TYPE, &body, |out| {
            if !self.allow.is_empty() {
                push(out, &["Allow: ", self.allow, "\r\n"]);
            }
        });
    }
}

/// Writes a whole response; `write_lines` adds header lines of its own.
pub(super) fn write_response(
    out: &mut Vec<u8>,
    about: About,
    status: u16,
    media_type: &str,
    body: &[u8],
    write_lines: impl FnOnce(&mut Vec<u8>),
) {
    push(out, &["HTTP/1.1 "]);
    push_number(out, status.into());
    push(out, &[" ", reason(status), "\r\n"]);
    write_lines(out);
    if !body.is_empty() {
        push(out, &["Content-Type: ", media_type, "\r\n"]);
    }
    if status >= 400 {
        push(out, &["Cache-Control: no-store\r\n"]);
    }
    push(out, &["Content-Length: "]);
    push_number(out, body.len() as u64);
    push(out, &["\r\n"]);
    write_connection(out, about.version_minor, about.keeps_alive);
    push(out, &["\r\n"]);
    if !about.is_head {
        out.extend_from_slice(body);
    }
}

pub(super) fn push(out: &mut Vec<u8>, texts: &[&str]) {
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
