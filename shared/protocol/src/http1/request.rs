//! Heads of requests (RFC 9112 sections 3 and 5 to 7).
//!
//! Job: take the head of a request apart, strictly. In: the bytes of a connection from the start of a
//! request on. Out: a [`RequestHead`], which is used again from request to request.
//! Invariant: offsets are into the bytes that `parse` was last given; a head that is complete has one
//! host, one framing and one reading.

use std::mem::MaybeUninit;

use super::error::HeadFault;
use super::field::{Field, Span, members};
use super::fields::Fields;
use super::head_end::find_end;
use super::target::{self, is_host, is_same_host};
use super::{FIELDS_MAX, Framing, HeadLimits, Known, RequestError, Target};

/// The head of a request.
#[derive(Debug, Default)]
pub struct RequestHead {
    method: Span,
    target: Span,
    form: Target,
    path: Span,
    query: Option<Span>,
    authority: Span,
    version_minor: u8,
    fields: Fields,
    framing: Framing,
    expects_continue: bool,
    upgrade: Option<Span>,
}

impl RequestHead {
    /// Takes the head at the start of `input` apart. Returns its length when it is complete; `None` when
    /// more bytes are needed, and what comes back with them is looked at from its start.
    ///
    /// # Errors
    /// [`RequestError`]: the connection cannot go on, as nobody knows where the next request begins.
    pub fn parse(
        &mut self,
        input: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<usize>, RequestError> {
        self.clear();
        // One empty line before a request is forgiven (RFC 9112 section 2.2).
        let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
        let Some(end) = find_end(input, skipped, limits.head_bytes_max)? else {
            return Ok(None);
        };
        self.read(&input[..end], skipped, limits)?;
        Ok(Some(end))
    }

    /// Forgets everything but keeps the memory.
    fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    fn read(
        &mut self,
        head: &[u8],
        skipped: usize,
        limits: &HeadLimits,
    ) -> Result<(), RequestError> {
        let mut places = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let places = &mut places[..limits.fields_max.min(FIELDS_MAX)];
        let mut parsed = httparse::Request::new(&mut []);
        let lines = &head[skipped..];
        if matches!(lines.first(), Some(b'\r' | b'\n')) {
            return Err(RequestError::Malformed("more than one empty line before the request"));
        }
        match parsed.parse_with_uninit_headers(lines, places) {
            Ok(httparse::Status::Complete(length)) if length == lines.len() => {}
            Ok(_) => return Err(RequestError::Malformed("an empty line within the head")),
            Err(httparse::Error::Version) if names_a_version(lines) => {
                return Err(RequestError::UnknownVersion);
            }
            Err(error) => return Err(HeadFault::of(error).into()),
        }
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(RequestError::Malformed("no request line"));
        };
        self.method = Span::of(method.as_bytes(), head);
        self.target = Span::of(target.as_bytes(), head);
        self.version_minor = minor;
        let parts =
            target::parse(method.as_bytes(), target.as_bytes()).map_err(RequestError::Malformed)?;
        self.form = parts.form;
        self.authority = Span::of(parts.authority, head);
        self.path = Span::of(parts.path, head);
        self.query = parts.query.map(|query| Span::of(query, head));
        self.fields.read(parsed.headers, head)?;
        self.read_fields(head)?;
        self.check_host(head)
    }

    fn read_fields(&mut self, head: &[u8]) -> Result<(), RequestError> {
        let is_old = self.version_minor == 0;
        let mut upgrade = None;
        for field in self.fields.list() {
            match field.known {
                Known::Expect => {
                    if !field.value(head).eq_ignore_ascii_case(b"100-continue") {
                        return Err(RequestError::UnknownExpectation);
                    }
                    // HTTP/1.0 does not know it (RFC 9110 section 10.1.1).
                    self.expects_continue = !is_old;
                }
                Known::Upgrade => {
                    let earlier = upgrade.replace(field.value);
                    if earlier.is_some() {
                        return Err(RequestError::Malformed("more than one Upgrade"));
                    }
                }
                Known::Imitation if imitates_framing(field.name(head)) => {
                    return Err(RequestError::Malformed(
                        "a field that imitates Content-Length or Transfer-Encoding",
                    ));
                }
                _ => {}
            }
        }
        // Whoever talks HTTP/2 to the server past us has the requests that we would have to see, and
        // an Upgrade can always be ignored (RFC 9110 section 7.8).
        self.upgrade = upgrade.filter(|protocols| {
            let hides_requests = |name: &[u8]| name.eq_ignore_ascii_case(b"h2c");
            self.fields.upgrades
                && !is_old
                && !members(protocols.of_input(head)).any(hides_requests)
        });
        self.framing = self.fields.framing(head, is_old)?.unwrap_or(Framing::None);
        Ok(())
    }

    fn check_host(&mut self, head: &[u8]) -> Result<(), RequestError> {
        let mut hosts = self.fields.list().iter().filter(|field| field.known == Known::Host);
        let host = hosts.next().map(|field| field.value);
        if hosts.next().is_some() {
            return Err(RequestError::Malformed("more than one Host"));
        }
        let Some(host) = host else {
            if self.version_minor > 0 {
                return Err(RequestError::Malformed("no Host"));
            }
            return Ok(());
        };
        if !is_host(host.of_input(head)) {
            return Err(RequestError::Malformed("Host is no valid host"));
        }
        match self.form {
            Target::Absolute | Target::Authority => {
                let named = self.authority.of_input(head);
                if !is_same_host(named, host.of_input(head)) {
                    return Err(RequestError::Malformed("Host differs from the request target"));
                }
            }
            Target::Origin | Target::Asterisk => self.authority = host,
        }
        Ok(())
    }

    /// The method.
    #[must_use]
    pub fn method<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.method.of_input(input)
    }

    /// Whether the response has no body whatever its fields say.
    #[must_use]
    pub fn is_head(&self, input: &[u8]) -> bool {
        self.method(input) == b"HEAD"
    }

    /// Whether it asks for a tunnel.
    #[must_use]
    pub fn is_connect(&self, input: &[u8]) -> bool {
        self.method(input) == b"CONNECT"
    }

    /// Whether doing it twice does the same as doing it once (RFC 9110 section 9.2.2).
    #[must_use]
    pub fn is_idempotent(&self, input: &[u8]) -> bool {
        let methods: [&[u8]; 6] = [b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"];
        methods.contains(&self.method(input))
    }

    /// Whether it asks for no change at all (RFC 9110 section 9.2.1).
    #[must_use]
    pub fn is_safe(&self, input: &[u8]) -> bool {
        let methods: [&[u8]; 4] = [b"GET", b"HEAD", b"OPTIONS", b"TRACE"];
        methods.contains(&self.method(input))
    }

    /// The form of the target.
    #[must_use]
    pub fn form(&self) -> Target {
        self.form
    }

    /// The target as it was written.
    #[must_use]
    pub fn target<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.target.of_input(input)
    }

    /// The path: `/` for an absolute target without one (`*` if it is of OPTIONS, RFC 9112 section
    /// 3.2.4), `*` for that, empty for CONNECT.
    #[must_use]
    pub fn path<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        let path = self.path.of_input(input);
        if !path.is_empty() || self.form != Target::Absolute {
            return path;
        }
        if self.query.is_none() && self.method(input) == b"OPTIONS" { b"*" } else { b"/" }
    }

    /// What stands behind the `?`.
    #[must_use]
    pub fn query<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        self.query.map(|query| query.of_input(input))
    }

    /// Host and port as the client named them; empty when it named none (HTTP/1.0).
    #[must_use]
    pub fn authority<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.authority.of_input(input)
    }

    /// The digit behind `HTTP/1.`.
    #[must_use]
    pub fn version_minor(&self) -> u8 {
        self.version_minor
    }

    /// All fields, in order.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        self.fields.list()
    }

    /// How the end of the body is found.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client wants to go on using the connection.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        self.fields.keeps_alive(self.version_minor == 0)
    }

    /// Whether the client waits for 100 before it sends the body.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// The protocols that the client would like to change to; never HTTP/2.
    #[must_use]
    pub fn upgrade<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        self.upgrade.map(|upgrade| upgrade.of_input(input))
    }

    /// Whether the field at this index concerns the client's connection only.
    #[must_use]
    pub fn is_hop_by_hop(&self, index: usize) -> bool {
        self.fields.is_hop_by_hop(index)
    }
}

/// Whether the request line is one of another HTTP version: three words, the last `HTTP/d.d`.
fn names_a_version(lines: &[u8]) -> bool {
    let line = lines.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    matches!(words[..], [_, _, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn imitates_framing(name: &[u8]) -> bool {
    let framing: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];
    let is = |known: &&[u8]| {
        name.len() == known.len()
            && name.iter().zip(known.iter()).all(|(byte, known)| {
                byte.eq_ignore_ascii_case(known) || (*byte == b'_' && *known == b'-')
            })
    };
    framing.iter().any(is)
}
