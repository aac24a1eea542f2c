//! What servers are told about the client.
//!
//! Job: write X-Forwarded-*, Forwarded and X-Request-Id. In: what a trusted peer has said about its own
//! client, and what we see. Out: fields; one of each name, as many servers read only one.
//! Invariant: addresses that we add stand last, which is where a server counts from.

use std::io::Write;
use std::net::IpAddr;

use ringlet_base::random::Random;
use ringlet_protocol::http1::{Known, RequestHead};

use super::request::RequestContext;
use super::write_field;

/// Length of an X-Request-Id that we make: 128 bits in hexadecimal.
pub const REQUEST_ID_BYTES: usize = 32;
/// Length of the longest one that is kept.
const KEPT_REQUEST_ID_BYTES_MAX: usize = 128;

/// What fields that are not copied have said. Of forwarding fields those of trusted peers only.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Told {
    pub has_length: bool,
    pub takes_trailers: bool,
    pub has_x_forwarded_for: bool,
    pub has_x_forwarded_proto: bool,
    pub has_x_forwarded_host: bool,
    pub has_forwarded: bool,
}

/// The X-Request-Id of a trusted peer's request, if it is one that logs can hold.
#[must_use]
pub fn kept_request_id<'a>(
    head: &RequestHead,
    input: &'a [u8],
    is_trusted: bool,
) -> Option<&'a [u8]> {
    let field = head.fields().iter().find(|field| field.known == Known::XRequestId)?;
    let value = field.value(input);
    let fits = (1..=KEPT_REQUEST_ID_BYTES_MAX).contains(&value.len());
    (is_trusted && fits && value.iter().all(u8::is_ascii_graphic)).then_some(value)
}

/// A new X-Request-Id.
#[must_use]
pub fn make_request_id(random: &mut Random) -> [u8; REQUEST_ID_BYTES] {
    let mut id = [0; REQUEST_ID_BYTES];
    for digits in id.chunks_mut(16) {
        let mut bits = random.next_u64();
        for digit in digits {
            *digit = b"0123456789abcdef"[(bits & 15) as usize];
            bits >>= 4;
        }
    }
    id
}

/// Whether a field of this name, written with `-` or `_`, tells about a client: X-Forwarded-Anything.
pub(super) fn is_forwarding_name(name: &[u8]) -> bool {
    let prefix = b"x-forwarded-";
    name.len() > prefix.len()
        && name.iter().zip(prefix).all(|(&byte, &expected)| {
            byte.to_ascii_lowercase() == expected || (byte == b'_' && expected == b'-')
        })
}

/// Writes what is told about the client.
pub(super) fn write_client(
    out: &mut Vec<u8>,
    head: &RequestHead,
    input: &[u8],
    context: &RequestContext<'_>,
    told: Told,
) {
    let rewrites = context.rewrites;
    let authority = head.authority(input);
    if context.forwarding.x_forwarded {
        let has_addresses = told.has_x_forwarded_for || context.client.is_some();
        if has_addresses && !rewrites.replaces(b"x-forwarded-for") {
            out.extend_from_slice(b"X-Forwarded-For: ");
            if told.has_x_forwarded_for {
                write_values(out, head, input, Known::XForwardedFor);
            }
            if let Some(client) = context.client {
                let separator = if told.has_x_forwarded_for { ", " } else { "" };
                // Writing to a `Vec` cannot fail.
                let _ = write!(out, "{separator}{client}");
            }
            out.extend_from_slice(b"\r\n");
        }
        if !told.has_x_forwarded_proto && !rewrites.replaces(b"x-forwarded-proto") {
            write_field(out, b"X-Forwarded-Proto", context.scheme.as_bytes());
        }
        let says_host = !told.has_x_forwarded_host && !authority.is_empty();
        if says_host && !rewrites.replaces(b"x-forwarded-host") {
            write_field(out, b"X-Forwarded-Host", authority);
        }
    }
    if context.forwarding.forwarded && !rewrites.replaces(b"forwarded") {
        out.extend_from_slice(b"Forwarded: ");
        if told.has_forwarded {
            write_values(out, head, input, Known::Forwarded);
            out.extend_from_slice(b", ");
        }
        write_forwarded_element(out, context, authority);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(id) = context.request_id
        && !rewrites.replaces(b"x-request-id")
    {
        write_field(out, b"X-Request-Id", id);
    }
}

/// All values of a field that say something, as one list.
fn write_values(out: &mut Vec<u8>, head: &RequestHead, input: &[u8], known: Known) {
    let mut separator: &[u8] = b"";
    let fields = head.fields().iter().filter(|field| field.known == known);
    for value in fields.map(|field| field.value(input)).filter(|value| !value.is_empty()) {
        out.extend_from_slice(separator);
        out.extend_from_slice(value);
        separator = b", ";
    }
}

/// `for=192.0.2.1;host=example.com;proto=http` (RFC 7239 section 4).
fn write_forwarded_element(out: &mut Vec<u8>, context: &RequestContext<'_>, authority: &[u8]) {
    // Writing to a `Vec` cannot fail.
    let _ = match context.client {
        None => write!(out, "for=unknown"),
        Some(IpAddr::V4(client)) => write!(out, "for={client}"),
        // Colons and brackets are for quoted strings only.
        Some(IpAddr::V6(client)) => write!(out, "for=\"[{client}]\""),
    };
    if !authority.is_empty() {
        // A valid host has no quote and no backslash.
        let quote: &[u8] = if authority.contains(&b':') { b"\"" } else { b"" };
        out.extend_from_slice(b";host=");
        out.extend_from_slice(quote);
        out.extend_from_slice(authority);
        out.extend_from_slice(quote);
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(context.scheme.as_bytes());
}
