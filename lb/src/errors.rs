//! The responses that the balancer makes itself.
//!
//! Job: write a whole response that says what failed. In: a status, what failed, and a listener's own
//! pages. Out: bytes. Invariant: what clients or servers have sent cannot become markup in it; its
//! length is always stated; no answer to HEAD has a body.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::io::Write as _;
use std::sync::Arc;

use ringlet_protocol::http1::{reason, write_connection};

/// What is decided about the response beside what it says.
#[derive(Copy, Clone, Debug)]
pub struct ErrorContext<'a> {
    /// Bodies in the place of ours, by status.
    pub pages: &'a BTreeMap<u16, Arc<[u8]>>,
    /// The digit behind `HTTP/1.` of the request; 1 for one that could not be read.
    pub client_minor: u8,
    /// Whether the request was HEAD.
    pub is_head: bool,
    /// Whether the connection goes on.
    pub keeps_alive: bool,
    /// Header lines, each with its end.
    pub fields: &'a [u8],
}

/// Methods that are passed on, for 405. CONNECT would make the balancer an open proxy, TRACE shows
/// fields that clients must not see.
const ALLOW: &[u8] = b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";

/// Writes a response of this status; `what` says what failed, and of which part: `no server of pool api
/// is available`. Returns the length of its body.
pub fn write_error(
    out: &mut Vec<u8>,
    status: u16,
    what: &dyn Display,
    context: &ErrorContext<'_>,
) -> usize {
    let page = context.pages.get(&status).map(|page| &**page);
    let body = Body { status, what };
    let length = page.map_or_else(|| body.length(), <[u8]>::len);
    // Writing to a `Vec` cannot fail.
    let _ = write!(
        out,
        "HTTP/1.1 {status} {}\r\nContent-Type: text/html; charset=utf-8\r\n\
         Cache-Control: no-store\r\nContent-Length: {length}\r\n",
        reason(status)
    );
    if status == 405 {
        out.extend_from_slice(ALLOW);
    }
    out.extend_from_slice(context.fields);
    write_connection(out, context.client_minor, context.keeps_alive);
    out.extend_from_slice(b"\r\n");
    if context.is_head {
        return 0;
    }
    match page {
        Some(page) => out.extend_from_slice(page),
        None => drop(write!(out, "{body}")),
    }
    length
}

/// Our own page.
struct Body<'a> {
    status: u16,
    what: &'a dyn Display,
}

impl Body<'_> {
    /// Its length, so that it can be written behind its head without a buffer of its own.
    fn length(&self) -> usize {
        let mut counter = Counter(0);
        let _ = write!(counter, "{self}");
        counter.0
    }
}

impl Display for Body<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, reason) = (self.status, reason(self.status));
        write!(
            formatter,
            "<!doctype html>\n<title>{status} {reason}</title>\n<h1>{status} {reason}</h1>\n<p>"
        )?;
        write!(Escaped(formatter), "{}", self.what)?;
        formatter.write_str("</p>\n")
    }
}

struct Counter(usize);

impl fmt::Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Text in HTML.
struct Escaped<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(['&', '<', '>', '"']) {
            self.0.write_str(&rest[..at])?;
            self.0.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                _ => "&quot;",
            })?;
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::http1::{Framing, HeadLimits, RequestKind, ResponseHead};

    use super::*;

    fn written(status: u16, what: &str, context: &ErrorContext<'_>) -> String {
        let mut out = b"before".to_vec();
        write_error(&mut out, status, &what, context);
        let out = String::from_utf8(out).expect("text");
        out.strip_prefix("before").expect("what was there stays").to_string()
    }

    #[test]
    fn every_status_that_we_make_is_a_complete_response() {
        let pages = BTreeMap::new();
        let statuses =
            [400, 403, 404, 405, 408, 413, 414, 417, 429, 431, 500, 501, 502, 503, 504, 505];
        for status in statuses {
            for (client_minor, keeps_alive) in [(0, false), (0, true), (1, false), (1, true)] {
                for is_head in [false, true] {
                    let context = ErrorContext {
                        pages: &pages,
                        client_minor,
                        is_head,
                        keeps_alive,
                        fields: &[],
                    };
                    let out = written(status, "no server of pool api is available", &context);
                    let mut head = ResponseHead::default();
                    let limits = HeadLimits { head_bytes_max: 1000, fields_max: 10 };
                    let kind = RequestKind { is_head, asked_upgrade: false };
                    let length = head.parse(out.as_bytes(), &limits, kind);
                    let length = length.expect("valid").expect("complete");
                    let body = &out[length..];
                    assert_eq!(head.status(), status);
                    assert_ne!(head.reason(out.as_bytes()), b"Error");
                    assert_eq!(out.contains("\r\nAllow: "), status == 405);
                    assert_eq!(head.keeps_alive(), keeps_alive);
                    assert_eq!(
                        out.contains("\r\nConnection: keep-alive\r\n"),
                        client_minor == 0 && keeps_alive
                    );
                    if is_head {
                        assert_eq!((body, head.framing()), ("", Framing::None));
                        assert!(head.content_length() > Some(100), "that of GET");
                    } else {
                        assert_eq!(head.framing(), Framing::Length(body.len() as u64));
                        assert!(body.contains("<p>no server of pool api is available</p>"));
                        assert!(body.contains(&status.to_string()));
                    }
                }
            }
        }
    }

    #[test]
    fn a_listener_may_have_pages_of_its_own() {
        let page: Arc<[u8]> = Arc::from(&b"<b>down"[..]);
        let pages = BTreeMap::from([(503, page)]);
        let context = ErrorContext {
            pages: &pages,
            client_minor: 1,
            is_head: false,
            keeps_alive: true,
            fields: &[],
        };
        let out = written(503, "hidden", &context);
        assert!(out.contains("\r\nContent-Length: 7\r\n") && out.ends_with("\r\n\r\n<b>down"));
        assert!(written(502, "shown", &context).contains("<p>shown</p>"));
        let out = written(503, "hidden", &ErrorContext { is_head: true, ..context });
        assert!(out.contains("\r\nContent-Length: 7\r\n") && out.ends_with("\r\n\r\n"));
    }

    #[test]
    fn what_peers_have_sent_is_no_markup() {
        let pages = BTreeMap::new();
        let context = ErrorContext {
            pages: &pages,
            client_minor: 1,
            is_head: false,
            keeps_alive: false,
            fields: &[],
        };
        let out = written(400, "<script>\"é\"&amp;", &context);
        let (head, body) = out.split_once("\r\n\r\n").expect("a head");
        assert!(body.contains("<p>&lt;script&gt;&quot;é&quot;&amp;amp;</p>"), "{body}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    }
}
