//! The head that goes to a client.
//!
//! Job: write it, and say how the body behind it is sent. In: the server's head and a
//! [`ResponseContext`]. Out: bytes and a [`Delivery`].
//! Invariant: a client of HTTP/1.0 gets nothing that came with 1.1: no chunks, no 1xx.

use ringlet_protocol::http1::{Framing, Known, ResponseHead, write_connection};

use super::{Lines, write_added, write_field, write_framing, write_length, write_via};
use crate::model::Sticky;
use crate::rewrite::Rewrites;
use crate::sticky::write_set_cookie;

/// What is decided about a response beside what it says.
#[derive(Copy, Clone, Debug)]
pub struct ResponseContext<'a> {
    /// The digit behind `HTTP/1.` of the request.
    pub client_minor: u8,
    /// Whether both the client and we would go on with the connection.
    pub keeps_alive: bool,
    /// Whether Via says that we pass it on.
    pub adds_via: bool,
    /// A cookie for the client: what it looks like, and the server's value.
    pub cookie: Option<(&'a Sticky, &'a str)>,
    /// The route's changes, then the listener's.
    pub rewrites: Rewrites<'a>,
    /// Our own header lines, each with its end.
    pub fields: &'a [u8],
}

/// What follows a head.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How the body is to be sent to the client.
    pub framing: Framing,
    /// Whether the client's connection goes on behind it.
    pub keeps_alive: bool,
}

/// Writes the head of a response for a client; nothing for an interim response (1xx) that this client
/// would not understand.
pub fn write_response(
    out: &mut Vec<u8>,
    head: &ResponseHead,
    input: &[u8],
    context: &ResponseContext<'_>,
) -> Delivery {
    if head.is_interim() {
        if context.client_minor > 0 {
            write_interim(out, head, input);
        }
        return Delivery { framing: Framing::None, keeps_alive: context.keeps_alive };
    }
    let framing = match head.framing() {
        // A body that ends with the server's connection need not end the client's.
        Framing::Chunked | Framing::UntilClose if context.client_minor > 0 => Framing::Chunked,
        Framing::Chunked => Framing::UntilClose,
        framing => framing,
    };
    let keeps_alive = context.keeps_alive && framing != Framing::UntilClose;
    write_status_line(out, head, input);
    let mut lines = Lines::new(input);
    for (index, field) in head.fields().iter().enumerate() {
        let goes_on = match field.known {
            Known::ContentLength => false,
            Known::Trailer => framing == Framing::Chunked,
            _ => !head.is_hop_by_hop(index),
        };
        if goes_on && !context.rewrites.replaces(field.name(input)) {
            lines.copy(out, field);
        }
    }
    lines.flush(out);
    if context.adds_via {
        write_via(out, context.rewrites, head.version_minor());
    }
    if let Some((sticky, value)) = context.cookie {
        write_set_cookie(out, sticky, value);
    }
    write_added(out, context.rewrites);
    out.extend_from_slice(context.fields);
    write_framing(out, framing);
    if framing == Framing::None {
        write_length_of_no_body(out, head);
    }
    if head.status() == 101 {
        write_upgrade(out, head, input);
    } else {
        write_connection(out, context.client_minor, keeps_alive);
    }
    out.extend_from_slice(b"\r\n");
    Delivery { framing, keeps_alive }
}

fn write_interim(out: &mut Vec<u8>, head: &ResponseHead, input: &[u8]) {
    write_status_line(out, head, input);
    let mut lines = Lines::new(input);
    for (index, field) in head.fields().iter().enumerate() {
        let is_framing = matches!(field.known, Known::ContentLength | Known::Trailer);
        if !is_framing && !head.is_hop_by_hop(index) {
            lines.copy(out, field);
        }
    }
    lines.flush(out);
    out.extend_from_slice(b"\r\n");
}

fn write_status_line(out: &mut Vec<u8>, head: &ResponseHead, input: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.status()).as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.reason(input));
    out.extend_from_slice(b"\r\n");
}

/// Content-Length of a response whose body is empty, or would be so long if it were sent (HEAD, 304).
/// 1xx and 204 have none (RFC 9110 section 8.6).
fn write_length_of_no_body(out: &mut Vec<u8>, head: &ResponseHead) {
    if let Some(length) = head.content_length()
        && !matches!(head.status(), 101 | 204)
    {
        write_length(out, length);
    }
}

fn write_upgrade(out: &mut Vec<u8>, head: &ResponseHead, input: &[u8]) {
    for field in head.fields().iter().filter(|field| field.known == Known::Upgrade) {
        write_field(out, b"Upgrade", field.value(input));
    }
    out.extend_from_slice(b"Connection: upgrade\r\n");
}
