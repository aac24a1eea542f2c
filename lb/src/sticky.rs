//! The cookie that keeps a client with its server.
//!
//! Job: find a cookie of a request, and write one into a response. In: fields. Out: its value; a
//! Set-Cookie field. Invariant: of several cookies of a name the first counts (RFC 6265 section 5.4
//! puts the most specific one there).

use std::io::Write;

use ringlet_protocol::http1::{Known, RequestHead};

use crate::model::Sticky;

/// The value of the cookie of this name.
#[must_use]
pub fn cookie_value<'a>(head: &RequestHead, input: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let cookies = head.fields().iter().filter(|field| field.known == Known::Cookie);
    cookies.flat_map(|field| field.value(input).split(|&byte| byte == b';')).find_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        (pair[..at].trim_ascii() == name.as_bytes()).then(|| unquoted(pair[at + 1..].trim_ascii()))
    })
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

/// Writes the field that gives a client this value.
pub fn write_set_cookie(out: &mut Vec<u8>, sticky: &Sticky, value: &str) {
    // Writing to a `Vec` cannot fail.
    let _ = write!(out, "Set-Cookie: {}={value}; Path=/", sticky.cookie);
    if sticky.max_age_s > 0 {
        let _ = write!(out, "; Max-Age={}", sticky.max_age_s);
    }
    if sticky.http_only {
        out.extend_from_slice(b"; HttpOnly");
    }
    if sticky.secure {
        out.extend_from_slice(b"; Secure");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::http1::HeadLimits;

    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        for (fields, expected) in [
            ("", None),
            ("Cookie: srv=a", Some("a")),
            ("Cookie: x=1; srv=a; y=2", Some("a")),
            ("Cookie: x=1;srv=a;y=2", Some("a")),
            ("Cookie: srv = a ", Some("a")),
            ("Cookie: srv=\"a\"", Some("a")),
            ("Cookie: srv=\"", Some("\"")),
            ("Cookie: srv=", Some("")),
            ("Cookie: srv=a=b", Some("a=b")),
            ("Cookie: srv=a; srv=b", Some("a")),
            ("Cookie: x=1\r\ncookie: srv=a", Some("a")),
            ("Cookie: Srv=a", None),
            ("Cookie: mysrv=a; srv2=b; srv", None),
            ("Cookie: x=srv=a", None),
            ("Set-Cookie: srv=a", None),
            ("X: srv=a", None),
        ] {
            let end = if fields.is_empty() { "" } else { "\r\n" };
            let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}{end}\r\n");
            let mut head = RequestHead::default();
            let limits = HeadLimits { head_bytes_max: 1000, fields_max: 10 };
            assert_eq!(head.parse(input.as_bytes(), &limits), Ok(Some(input.len())), "{fields}");
            let value = cookie_value(&head, input.as_bytes(), "srv");
            assert_eq!(value, expected.map(str::as_bytes), "{fields}");
        }
    }

    #[test]
    fn a_cookie_is_written_as_configured() {
        let mut sticky =
            Sticky { cookie: "srv".into(), max_age_s: 0, http_only: false, secure: false };
        let written = |sticky: &Sticky| {
            let mut out = Vec::new();
            write_set_cookie(&mut out, sticky, "a1");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(written(&sticky), "Set-Cookie: srv=a1; Path=/\r\n");
        (sticky.max_age_s, sticky.http_only, sticky.secure) = (60, true, true);
        let full = "Set-Cookie: srv=a1; Path=/; Max-Age=60; HttpOnly; Secure\r\n";
        assert_eq!(written(&sticky), full);
    }
}
