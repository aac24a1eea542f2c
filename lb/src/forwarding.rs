//! The heads that go on: of requests to servers, of responses to clients.
//!
//! Job: write a head anew, in one normal form. In: a parsed head and what is decided about it. Out:
//! bytes behind those that a buffer holds already; no other allocation.
//! Invariant: the next reader finds the same body as we did, because framing and Connection are never
//! copied but stated once, by us; and what a client that is not trusted says of itself is not passed on
//! as if we said it.

mod client;
mod request;
#[cfg(test)]
mod request_tests;
mod response;
#[cfg(test)]
mod response_tests;

use ringlet_protocol::http1::{Field, Framing};

pub use client::{REQUEST_ID_BYTES, kept_request_id, make_request_id};
pub use request::{RequestContext, passed_upgrade, write_request};
pub use response::{Delivery, ResponseContext, write_response};

use crate::rewrite::Rewrites;

/// Our name in Via.
const PSEUDONYM: &[u8] = b"ringlet";

/// Copies lines of fields, neighbouring ones at once.
struct Lines<'a> {
    input: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Lines<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self { input, start: 0, end: 0 }
    }

    #[inline]
    fn copy(&mut self, out: &mut Vec<u8>, field: &Field) {
        match field.line(self.input) {
            Some(line) if line.start == self.end => self.end = line.end,
            Some(line) => {
                self.flush(out);
                (self.start, self.end) = (line.start, line.end);
            }
            None => {
                self.flush(out);
                write_field(out, field.name(self.input), field.value(self.input));
            }
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.input[self.start..self.end]);
        (self.start, self.end) = (0, 0);
    }
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_length(out: &mut Vec<u8>, length: u64) {
    write_field(out, b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
}

/// States how a body ends; nothing for one that there is not, or that ends with the connection.
fn write_framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::Length(length) => write_length(out, length),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose => {}
    }
}

/// Says that we pass on a message that came in HTTP/1 of this minor version.
fn write_via(out: &mut Vec<u8>, rewrites: Rewrites<'_>, version_minor: u8) {
    if !rewrites.replaces(b"via") {
        out.extend_from_slice(if version_minor == 0 { b"Via: 1.0 " } else { b"Via: 1.1 " });
        out.extend_from_slice(PSEUDONYM);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_added(out: &mut Vec<u8>, rewrites: Rewrites<'_>) {
    for (name, value) in rewrites.added() {
        write_field(out, name.as_bytes(), value.as_bytes());
    }
}
