//! Job: what load on an HTTP server consists of, in values that have been read from options.
//! In: options. Out: [`HttpSettings`], checked as a whole.
//! Invariant: settings that pass [`HttpSettings::check`] make requests that are HTTP/1.1: nothing in
//! them ends a line or a head early.

use std::fmt;
use std::str::FromStr;

use super::keys::{Distribution, KEYS_MAX};

/// Bytes of a request's body.
pub const BODY_BYTES_MAX: u32 = 64 << 20;

/// Statuses that are no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<(u16, u16)>);

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl Statuses {
    /// Whether the status is one of them.
    #[inline]
    #[must_use]
    pub fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (from, to)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match from == to {
                true => write!(formatter, "{comma}{from}")?,
                false => write!(formatter, "{comma}{from}-{to}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Statuses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            match (from.parse(), to.parse()) {
                (Ok(from), Ok(to)) if 200 <= from && from <= to && to <= 999 => Ok((from, to)),
                _ => Err(format!("\"{part}\" is no status: they are as 200, or 200-299, from 200")),
            }
        };
        text.split(',').map(range).collect::<Result<_, _>>().map(Self)
    }
}

/// A header field, written `Name: value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, in which `__key__` stands for the key's number.
    pub value: String,
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once(':')
            .filter(|(name, _)| is_token(name))
            .ok_or_else(|| format!("\"{text}\" is no header such as \"Accept: text/html\""))?;
        let value = value.trim();
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(format!("the value of {name} has characters that a header cannot have"));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// Load on an HTTP server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// What Host says.
    pub host: String,
    /// The method.
    pub method: String,
    /// The path with its query, in which `__key__` stands for the key's number.
    pub path: String,
    /// Further fields; Host and User-Agent among them replace ours.
    pub headers: Vec<Header>,
    /// Bytes of the body.
    pub body_bytes: u32,
    /// Statuses that are no error.
    pub expected: Statuses,
    /// Each request asks for its connection to be closed.
    pub close: bool,
    /// Number of keys, from 0.
    pub keys: u64,
    /// How requests are spread over them.
    pub distribution: Distribution,
    /// What the random numbers follow from.
    pub seed: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body_bytes: 0,
            expected: Statuses::default(),
            close: false,
            keys: 100_000,
            distribution: Distribution::default(),
            seed: 0,
        }
    }
}

impl HttpSettings {
    /// Looks whether the settings make requests on so many cores.
    ///
    /// # Errors
    /// What does not fit, and what to do.
    pub fn check(&self, cores: usize) -> Result<(), String> {
        if !is_token(&self.method) || self.method == "CONNECT" {
            return Err(format!("\"{}\" is no method that can be measured", self.method));
        }
        let is_visible = |text: &str| text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        if !self.path.starts_with('/') || !is_visible(&self.path) {
            return Err(format!("the path \"{}\" must begin with / and have no blanks", self.path));
        }
        if !is_visible(&self.host) {
            return Err(format!("\"{}\" is no host", self.host));
        }
        for Header { name, .. } in &self.headers {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            if is("content-length") || is("transfer-encoding") {
                return Err(format!("{name} follows from the body: give its size instead"));
            }
            if is("connection") || is("upgrade") || is("expect") {
                return Err(format!("{name} changes how connections work: it is not for a header"));
            }
        }
        if self.body_bytes > BODY_BYTES_MAX {
            return Err(format!("a body can have {BODY_BYTES_MAX} bytes"));
        }
        if self.keys == 0 || self.keys > KEYS_MAX {
            return Err(format!("the number of keys must be from 1 to {KEYS_MAX}"));
        }
        if self.distribution == Distribution::Sequential && self.keys < cores as u64 {
            return Err(format!("{cores} threads with keys of their own need {cores} keys"));
        }
        Ok(())
    }
}

/// Names of methods and fields (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_and_written() {
        for text in ["200", "200,429", "200-299,404"] {
            assert_eq!(text.parse::<Statuses>().expect(text).to_string(), text);
        }
        let statuses: Statuses = "200-299,404".parse().expect("statuses");
        for (status, expected) in
            [(200, true), (299, true), (300, false), (404, true), (503, false)]
        {
            assert_eq!(statuses.contain(status), expected, "{status}");
        }
        for text in ["", "2xx", "100", "299-200", "200,", "1000"] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }

    #[test]
    fn headers_cannot_break_out() {
        let header = Header { name: "X-A".to_owned(), value: "b: c".to_owned() };
        assert_eq!("X-A:  b: c ".parse(), Ok(header));
        for text in ["", "X", ": v", "X Y: v", "X: a\r\nY: b", "X: a\nb", "X : v"] {
            assert!(text.parse::<Header>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_are_refused() {
        assert_eq!(HttpSettings::default().check(1), Ok(()));
        type Change = fn(&mut HttpSettings);
        let header = |text: &str| vec![text.parse().expect("a header")];
        let refused: [(Change, &str); 6] = [
            (|settings| settings.method = "GE T".to_owned(), "no method"),
            (|settings| settings.path = "x".to_owned(), "must begin with /"),
            (|settings| settings.path = "/a b".to_owned(), "no blanks"),
            (|settings| settings.host = "a\r\nX: y".to_owned(), "no host"),
            (|settings| settings.keys = 0, "the number of keys"),
            (|settings| settings.body_bytes = u32::MAX, "a body"),
        ];
        for (change, part) in refused {
            let mut settings = HttpSettings::default();
            change(&mut settings);
            let error = settings.check(1).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
        for text in ["Content-Length: 3", "transfer-encoding: chunked", "Connection: close"] {
            let settings = HttpSettings { headers: header(text), ..HttpSettings::default() };
            assert!(settings.check(1).is_err(), "{text}");
        }
    }
}
