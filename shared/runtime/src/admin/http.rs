//! The little HTTP/1 that the admin listener speaks (RFC 9110, RFC 9112). No I/O, no clock.
//!
//! Job: judge the head of a request, and write the head of an answer. In: the bytes of a head; a
//! status, a length and a time. Out: a `Request` or the status that refuses it; bytes.
//! Invariant: what is ambiguous is refused: bare CR or LF, several Host fields, a folded line.

use std::fmt::Write;

use super::{MAXIMUM_HEAD_BYTES, MAXIMUM_HEADER_FIELDS, guard};

/// The statuses that the admin listener uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminStatus {
    /// 200: the page.
    Ok,
    /// 400: not HTTP, or not unambiguous, or a body where none belongs.
    BadRequest,
    /// 403: a page of another site made the browser send it.
    Forbidden,
    /// 404: no such page.
    NotFound,
    /// 405: the page has other methods.
    MethodNotAllowed,
    /// 408: the request did not arrive in time.
    RequestTimeout,
    /// 409: what is asked for does not fit what is there.
    Conflict,
    /// 411: a body whose length is not stated.
    LengthRequired,
    /// 413: a body of too many bytes.
    ContentTooLarge,
    /// 415: neither JSON nor a form that is marked as no browser's.
    UnsupportedMediaType,
    /// 417: the client waits for a 100 that does not come.
    ExpectationFailed,
    /// 431: too many bytes or header fields.
    RequestHeaderFieldsTooLarge,
    /// 500: the handler could not make the page.
    InternalServerError,
    /// 503: for health checks, the server is up but should get no traffic.
    ServiceUnavailable,
    /// 505: neither HTTP/1.0 nor HTTP/1.1.
    HttpVersionNotSupported,
}

impl AdminStatus {
    /// The number of the status.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::Conflict => 409,
            Self::LengthRequired => 411,
            Self::ContentTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::ExpectationFailed => 417,
            Self::RequestHeaderFieldsTooLarge => 431,
            Self::InternalServerError => 500,
            Self::ServiceUnavailable => 503,
            Self::HttpVersionNotSupported => 505,
        }
    }

    /// The reason phrase of the status.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::BadRequest => "Bad Request",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::RequestTimeout => "Request Timeout",
            Self::Conflict => "Conflict",
            Self::LengthRequired => "Length Required",
            Self::ContentTooLarge => "Content Too Large",
            Self::UnsupportedMediaType => "Unsupported Media Type",
            Self::ExpectationFailed => "Expectation Failed",
            Self::RequestHeaderFieldsTooLarge => "Request Header Fields Too Large",
            Self::InternalServerError => "Internal Server Error",
            Self::ServiceUnavailable => "Service Unavailable",
            Self::HttpVersionNotSupported => "HTTP Version Not Supported",
        }
    }
}

/// The method, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Other,
}

/// How long a request says that its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    Known(usize),
    /// Chunked, or coded in another way.
    Unknown,
}

/// The head of a well-formed request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: Method,
    /// The path without the query.
    pub(super) path: String,
    /// What stands behind the `?`, as it was sent.
    pub(super) query: String,
    pub(super) body: BodyLength,
    /// Of the body, in lower case and without its parameters; empty for none.
    pub(super) media_type: String,
    pub(super) host: String,
    /// The site of the page that made a browser send it.
    pub(super) origin: Option<String>,
    /// The same, in relation to us.
    pub(super) fetch_site: Option<String>,
    /// It has the field that no form can send.
    pub(super) is_marked: bool,
    /// It waits for an interim response.
    pub(super) expects: bool,
}

/// The length of the head including its empty line, if that has come.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Judges a complete head.
pub(super) fn parse(head: &[u8]) -> Result<Head, AdminStatus> {
    debug_assert!(head.len() <= MAXIMUM_HEAD_BYTES);
    if !has_clean_line_ends(head) {
        return Err(AdminStatus::BadRequest);
    }
    let mut fields = [httparse::EMPTY_HEADER; MAXIMUM_HEADER_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(AdminStatus::BadRequest),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(AdminStatus::RequestHeaderFieldsTooLarge);
        }
        Err(httparse::Error::Version) if names_a_version(head) => {
            return Err(AdminStatus::HttpVersionNotSupported);
        }
        Err(_) => return Err(AdminStatus::BadRequest),
    }
    let method = match parsed.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        Some("POST") => Method::Post,
        _ => Method::Other,
    };
    let values = |name: &'static str| {
        parsed.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
    };
    // RFC 9112, section 3.2: exactly one Host field in HTTP/1.1, and never two.
    let hosts = values("host").count();
    if hosts > 1 || (hosts == 0 && parsed.version == Some(1)) {
        return Err(AdminStatus::BadRequest);
    }
    let first = |name| {
        let value = values(name).next()?.value.trim_ascii();
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let body = match values("transfer-encoding").next() {
        Some(_) => BodyLength::Unknown,
        None => length_of(values("content-length").map(|field| field.value))?,
    };
    let media_type = first("content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let target = parsed.path.ok_or(AdminStatus::BadRequest)?;
    Ok(Head {
        method,
        path: path_of(target).ok_or(AdminStatus::BadRequest)?.to_owned(),
        query: target.split_once('?').map_or("", |(_, query)| query).to_owned(),
        body,
        media_type: media_type.to_ascii_lowercase(),
        host: first("host").unwrap_or_default(),
        origin: first("origin"),
        fetch_site: first("sec-fetch-site"),
        is_marked: values(guard::MARK).next().is_some(),
        expects: values("expect").next().is_some(),
    })
}

/// The length that all Content-Length fields state.
fn length_of<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<BodyLength, AdminStatus> {
    let Some(value) = values.next() else { return Ok(BodyLength::Known(0)) };
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if !is_number || values.any(|other| other != value) {
        return Err(AdminStatus::BadRequest);
    }
    // One that no number holds is too long all the same.
    let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    Ok(BodyLength::Known(length.unwrap_or(usize::MAX)))
}

/// Whether every CR stands before an LF and every LF behind a CR.
fn has_clean_line_ends(head: &[u8]) -> bool {
    let mut previous = 0;
    let clean = head.iter().all(|byte| {
        let clean = (previous == b'\r') == (*byte == b'\n');
        previous = *byte;
        clean
    });
    clean && previous != b'\r'
}

/// Whether the request line is one of another HTTP version: three words, the last `HTTP/d.d`.
fn names_a_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    matches!(words[..], [_, _, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// The path of a request target in origin form (`/path?query`) or absolute form
/// (`http://host/path`), RFC 9112 section 3.2. The form `*` is a path that no route has.
fn path_of(target: &str) -> Option<&str> {
    const SCHEME: &str = "http://";
    if target.contains('#') {
        return None;
    }
    let path = target.split('?').next()?;
    if path.starts_with('/') || target == "*" {
        return Some(path);
    }
    let scheme = path.get(..SCHEME.len())?;
    let rest = &path[SCHEME.len()..];
    if !scheme.eq_ignore_ascii_case(SCHEME) || rest.is_empty() || rest.starts_with('/') {
        return None;
    }
    Some(rest.find('/').map_or("/", |at| &rest[at..]))
}

/// The head of an answer: every connection ends after it, and nothing may be cached. A page may
/// hold styles and scripts of its own and ask for what we serve, but load nothing from elsewhere, and
/// no other site may show it in a frame. `allow` names the methods for 405.
pub(super) fn answer_head(
    status: AdminStatus,
    content_type: &str,
    body_length: usize,
    allow: Option<&str>,
    now_ms: i64,
) -> Vec<u8> {
    let allow = allow.map(|methods| format!("Allow: {methods}\r\n")).unwrap_or_default();
    format!(
        "HTTP/1.1 {code} {reason}\r\nDate: {date}\r\nContent-Type: {content_type}\r\n\
         Content-Length: {body_length}\r\n{allow}Cache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: {PAGE_POLICY}\r\n\
         Connection: close\r\n\r\n",
        code = status.code(),
        reason = status.reason(),
        date = date(now_ms),
    )
    .into_bytes()
}

const PAGE_POLICY: &str =
    "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'; form-action 'none'";

/// A time as an HTTP date (RFC 9110, section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(now_ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS_PER_ERA: i64 = 146_097;
    let seconds = now_ms.div_euclid(1000);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Counted from 1 March of year 0, a leap day is the last of its year, and eras of 400 years are
    // all alike. 1970-01-01 is day 719,468 of that count.
    let shifted = day + 719_468;
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = shifted.div_euclid(DAYS_PER_ERA) * 400 + year_of_era + i64::from(month < 2);
    let mut text = String::with_capacity(29);
    write!(
        text,
        "{}, {day_of_month:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[day.rem_euclid(7) as usize],
        MONTHS[month as usize],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
    .expect("a string takes all that is written");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(head: &str) -> Result<Head, AdminStatus> {
        parse(head.as_bytes())
    }

    fn parse_text(head: &str) -> Result<(Method, String), AdminStatus> {
        parse_all(head).map(|head| (head.method, head.path))
    }

    fn request(method: Method, path: &str) -> Result<(Method, String), AdminStatus> {
        Ok((method, path.to_owned()))
    }

    #[test]
    fn well_formed_requests_are_understood() {
        let get = |target| parse_text(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(get("/metrics"), request(Method::Get, "/metrics"));
        assert_eq!(get("/metrics?x=/y"), request(Method::Get, "/metrics"));
        assert_eq!(get("http://a:1/healthz?x"), request(Method::Get, "/healthz"));
        assert_eq!(get("HTTP://a"), request(Method::Get, "/"));
        assert_eq!(get("http://a?x/y"), request(Method::Get, "/"));
        assert_eq!(parse_text("HEAD / HTTP/1.0\r\n\r\n"), request(Method::Head, "/"));
        assert_eq!(parse_text("OPTIONS * HTTP/1.1\r\nHOST:\r\n\r\n"), request(Method::Other, "*"));
    }

    #[test]
    fn the_length_of_a_body_is_known_or_refused() {
        let body = |lines: &str| {
            parse_all(&format!("POST / HTTP/1.0\r\n{lines}\r\n")).map(|head| head.body)
        };
        assert_eq!(body(""), Ok(BodyLength::Known(0)));
        assert_eq!(body("Content-Length: 012\r\n"), Ok(BodyLength::Known(12)));
        let equal = "Content-Length: 7\r\ncontent-length: 7\r\n";
        assert_eq!(body(equal), Ok(BodyLength::Known(7)));
        let huge = "Content-Length: 99999999999999999999999\r\n";
        assert_eq!(body(huge), Ok(BodyLength::Known(usize::MAX)));
        assert_eq!(body("Transfer-Encoding: chunked\r\n"), Ok(BodyLength::Unknown));
        for wrong in ["1, 1", "-1", "+1", "", "0x1", "1\r\nContent-Length: 2"] {
            let lines = format!("Content-Length: {wrong}\r\n");
            assert_eq!(body(&lines), Err(AdminStatus::BadRequest), "{wrong}");
        }
    }

    #[test]
    fn what_matters_of_the_head_is_kept() {
        let head = parse_all(
            "POST /set?a=%20&b HTTP/1.1\r\nHost: a:1\r\nContent-Type: Text/Plain ; q=1\r\n\
             Origin: http://b\r\nSec-Fetch-Site: cross-site\r\nRINGLET-ADMIN:\r\n\
             Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        );
        let expected = Head {
            method: Method::Post,
            path: "/set".into(),
            query: "a=%20&b".into(),
            body: BodyLength::Known(3),
            media_type: "text/plain".into(),
            host: "a:1".into(),
            origin: Some("http://b".into()),
            fetch_site: Some("cross-site".into()),
            is_marked: true,
            expects: true,
        };
        assert_eq!(head, Ok(expected));
    }

    #[test]
    fn ambiguous_or_broken_requests_are_refused() {
        let refused = [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET metrics HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET\r\n\r\n",
            "GET /\r\n\r\n",
            "\r\n\r\n",
            "\u{0}\u{1}\u{2}\r\n\r\n",
            "*1\r\n$4\r\nPING\r\n\r\n",
        ];
        for head in refused {
            assert_eq!(parse_text(head), Err(AdminStatus::BadRequest), "{head:?}");
        }
        let newer = parse_text("GET / HTTP/2.0\r\nHost: a\r\n\r\n");
        assert_eq!(newer, Err(AdminStatus::HttpVersionNotSupported));
        let fields = "X: y\r\n".repeat(MAXIMUM_HEADER_FIELDS);
        let full = parse_text(&format!("GET / HTTP/1.0\r\n{fields}\r\n"));
        assert_eq!(full, request(Method::Get, "/"));
        let many = parse_text(&format!("GET / HTTP/1.0\r\n{fields}X: y\r\n\r\n"));
        assert_eq!(many, Err(AdminStatus::RequestHeaderFieldsTooLarge));
    }

    #[test]
    fn the_end_of_the_head_is_its_first_empty_line() {
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r"), None);
        assert_eq!(end_of_head(b"a\r\n\r\nb\r\n\r\n"), Some(5));
        assert_eq!(end_of_head(b"a\n\nb"), None);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399_000, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800_000, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_798_761_599_000, "Thu, 31 Dec 2026 23:59:59 GMT"),
            (4_107_542_400_000, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        ];
        for (now_ms, expected) in cases {
            assert_eq!(date(now_ms), expected);
        }
    }

    #[test]
    fn an_answer_names_what_is_allowed() {
        let head =
            answer_head(AdminStatus::MethodNotAllowed, "text/plain", 3, Some("GET, HEAD"), 0);
        let text = String::from_utf8(head).expect("a head is text");
        assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{text}");
        for line in ["Allow: GET, HEAD", "Content-Length: 3", "Connection: close"] {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{text}");
        }
        assert!(text.ends_with("\r\n\r\n"));
    }
}
