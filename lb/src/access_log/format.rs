//! One line of an access log.
//!
//! Job: write what is known about a request as people's and machines' tools read it. In: a borrowed
//! [`Entry`]; its time as text. Out: one line behind what a buffer holds already.
//! Invariant: an entry is one line whatever clients have sent: nothing of theirs ends it, or a quoted
//! part of it, too early; a JSON line is valid UTF-8 and valid JSON (RFC 8259).

use std::io::Write;
use std::net::SocketAddr;

use super::json;
use crate::model::LogFormat;

/// What is known about a request, or about a connection in TCP mode.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// When it ended.
    pub time: TimeText<'a>,
    /// Who has asked. None for unix sockets.
    pub client: Option<SocketAddr>,
    /// The listener's name.
    pub listener: &'a str,
    /// What it was about.
    pub subject: Subject<'a>,
    /// Status of the response.
    pub status: Option<u16>,
    /// Bytes of the response's body; of a tunnel, all that went to the client.
    pub body_bytes: u64,
    /// Bytes that a tunnel has brought from the client.
    pub received_bytes: Option<u64>,
    /// Where the client has the target from.
    pub referrer: Option<&'a [u8]>,
    /// What the client says it is.
    pub user_agent: Option<&'a [u8]>,
    /// The pool's name.
    pub pool: Option<&'a str>,
    /// The name of the server that was asked last.
    pub server: Option<&'a str>,
    /// From the complete head to the end.
    pub total_us: Option<u64>,
    /// From the complete head to that of the response.
    pub head_us: Option<u64>,
    /// Of this, in the pool's queue.
    pub queue_us: u64,
    /// How often a server was asked.
    pub attempts: u32,
    /// The id that went to the server.
    pub request_id: Option<&'a [u8]>,
    /// How it ended, in words.
    pub end: &'a str,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A request of which nothing could be read.
    Unread,
    /// A request.
    Http {
        /// Its method.
        method: &'a [u8],
        /// Its target, as it came.
        target: &'a [u8],
        /// The digit behind `HTTP/1.`.
        version_minor: u8,
    },
    /// A connection in TCP mode.
    Tcp,
}

/// A moment in the local time of the machine, as text.
#[derive(Copy, Clone, Debug)]
pub struct TimeText<'a> {
    /// `26/Nov/2026:02:37:33 +0000`.
    pub common: &'a str,
    /// `2026-11-26T02:37:33`.
    pub second: &'a str,
    /// The milliseconds behind it.
    pub millisecond: u16,
    /// `+00:00`.
    pub offset: &'a str,
}

/// Writes a line.
pub fn write_line(out: &mut Vec<u8>, format: LogFormat, entry: &Entry<'_>) {
    match format {
        LogFormat::Common => write_common(out, entry),
        LogFormat::Combined => {
            write_common(out, entry);
            for value in [entry.referrer, entry.user_agent] {
                out.extend_from_slice(b" \"");
                write_escaped(out, value.unwrap_or(b"-"));
                out.push(b'"');
            }
        }
        LogFormat::Json => json::write_object(out, entry),
    }
    out.push(b'\n');
}

/// The Common Log Format as nginx has it, with `-` for a status that there is not.
fn write_common(out: &mut Vec<u8>, entry: &Entry<'_>) {
    match entry.client {
        Some(address) => write(out, format_args!("{}", address.ip())),
        // nginx's word for it.
        None => out.extend_from_slice(b"unix:"),
    }
    write(out, format_args!(" - - [{}] \"", entry.time.common));
    match entry.subject {
        Subject::Unread => out.push(b'-'),
        Subject::Http { method, target, version_minor } => {
            write_escaped(out, method);
            out.push(b' ');
            write_escaped(out, target);
            write(out, format_args!(" HTTP/1.{version_minor}"));
        }
        // Three words, as a request has them, for tools that take it apart.
        Subject::Tcp => {
            let received = entry.received_bytes.unwrap_or(0);
            write(out, format_args!("TCP received={received} sent={}", entry.body_bytes));
        }
    }
    out.extend_from_slice(b"\" ");
    match entry.status {
        Some(status) => write(out, format_args!("{status:03}")),
        None => out.push(b'-'),
    }
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(entry.body_bytes).as_bytes());
}

/// Writing to a `Vec` cannot fail.
fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// nginx's escapes: `\xHH` for quotes, backslashes, and all that is no printable ASCII.
fn write_escaped(out: &mut Vec<u8>, value: &[u8]) {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let mut rest = value;
    while !rest.is_empty() {
        let plain = rest.iter().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        if let Some(byte) = rest.get(plain) {
            out.extend_from_slice(&[b'\\', b'x', hex(byte >> 4), hex(byte & 15)]);
        }
        rest = rest.get(plain + 1..).unwrap_or(&[]);
    }
}

fn hex(digit: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(digit)]
}
