//! An entry as one JSON object.
//!
//! Job: write every member of an entry, in a fixed order, `null` for what is not known. In: an entry.
//! Out: one object without line breaks. Invariant: strict JSON in valid UTF-8 (RFC 8259), whatever bytes
//! clients have sent; what is not UTF-8 becomes U+FFFD.

use super::format::{Entry, Subject};

/// Writes the object.
pub fn write_object(out: &mut Vec<u8>, entry: &Entry<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(entry.time.second.as_bytes());
    let millisecond = entry.time.millisecond.min(999);
    let digit = |divisor: u16| b'0' + (millisecond / divisor % 10) as u8;
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
    out.extend_from_slice(entry.time.offset.as_bytes());
    out.push(b'"');
    let address = entry.client.map(|client| client.ip().to_string());
    text(out, "client", address.as_deref().map(str::as_bytes));
    number(out, "client_port", entry.client.map(|client| client.port().into()));
    text(out, "listener", Some(entry.listener.as_bytes()));
    let (protocol, method, target) = match entry.subject {
        Subject::Unread => (None, None, None),
        Subject::Tcp => (Some("TCP"), None, None),
        Subject::Http { method, target, version_minor } => {
            let protocol = if version_minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" };
            (Some(protocol), Some(method), Some(target))
        }
    };
    text(out, "method", method);
    text(out, "target", target);
    text(out, "protocol", protocol.map(str::as_bytes));
    number(out, "status", entry.status.map(u64::from));
    number(out, "body_bytes", Some(entry.body_bytes));
    number(out, "received_bytes", entry.received_bytes);
    text(out, "referrer", entry.referrer);
    text(out, "user_agent", entry.user_agent);
    text(out, "pool", entry.pool.map(str::as_bytes));
    text(out, "server", entry.server.map(str::as_bytes));
    number(out, "total_us", entry.total_us);
    number(out, "head_us", entry.head_us);
    number(out, "queue_us", Some(entry.queue_us));
    number(out, "attempts", Some(entry.attempts.into()));
    text(out, "request_id", entry.request_id);
    text(out, "end", Some(entry.end.as_bytes()));
    out.push(b'}');
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn number(out: &mut Vec<u8>, member: &str, value: Option<u64>) {
    name(out, member);
    match value {
        Some(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

fn text(out: &mut Vec<u8>, member: &str, value: Option<&[u8]>) {
    name(out, member);
    let Some(value) = value else { return out.extend_from_slice(b"null") };
    out.push(b'"');
    for chunk in value.utf8_chunks() {
        write_escaped(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, valid: &[u8]) {
    let mut rest = valid;
    let must_be_escaped = |byte: &u8| matches!(byte, 0..=31 | b'"' | b'\\');
    while !rest.is_empty() {
        let plain = rest.iter().position(must_be_escaped).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        match rest.get(plain) {
            None => {}
            Some(b'"') => out.extend_from_slice(b"\\\""),
            Some(b'\\') => out.extend_from_slice(b"\\\\"),
            Some(b'\n') => out.extend_from_slice(b"\\n"),
            Some(b'\r') => out.extend_from_slice(b"\\r"),
            Some(b'\t') => out.extend_from_slice(b"\\t"),
            Some(byte) => {
                let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
            }
        }
        rest = rest.get(plain + 1..).unwrap_or(&[]);
    }
}
