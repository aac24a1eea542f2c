//! Heads of responses (RFC 9112 sections 4 and 6).
//!
//! Job: take the head of a response apart, strictly: what a server sends may come from an attacker, too.
//! In: the bytes of a server's connection, and what was asked. Out: a [`ResponseHead`], used again.
//! Invariant: the framing follows from the request, the status and the fields by one rule.

use std::mem::MaybeUninit;

use super::error::HeadFault;
use super::field::{Field, Span};
use super::fields::Fields;
use super::head_end::find_end;
use super::{FIELDS_MAX, Framing, HeadLimits, ResponseError};

/// What every response begins with.
const BEGINNING: &[u8] = b"HTTP/1.";

/// What of a request decides how its response is read.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestKind {
    /// It was HEAD.
    pub is_head: bool,
    /// It asked for another protocol.
    pub asked_upgrade: bool,
}

/// The head of a response.
#[derive(Debug, Default)]
pub struct ResponseHead {
    status: u16,
    reason: Span,
    version_minor: u8,
    fields: Fields,
    framing: Framing,
}

impl ResponseHead {
    /// Takes the head at the start of `input` apart. Returns its length when it is complete; `None` when
    /// more bytes are needed, and what comes back with them is looked at from its start.
    ///
    /// # Errors
    /// [`ResponseError`]: the connection must not be used any more.
    pub fn parse(
        &mut self,
        input: &[u8],
        limits: &HeadLimits,
        request: RequestKind,
    ) -> Result<Option<usize>, ResponseError> {
        self.clear();
        // Garbage that has no lines must not be waited for.
        if !BEGINNING.starts_with(&input[..input.len().min(BEGINNING.len())]) {
            return Err(ResponseError::Malformed("no HTTP/1 response"));
        }
        let Some(end) = find_end(input, 0, limits.head_bytes_max)? else {
            return Ok(None);
        };
        self.read(&input[..end], limits, request)?;
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
        limits: &HeadLimits,
        request: RequestKind,
    ) -> Result<(), ResponseError> {
        let mut places = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let places = &mut places[..limits.fields_max.min(FIELDS_MAX)];
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut parsed, head, places) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err(ResponseError::Malformed("an empty line within the head")),
            Err(error) => return Err(HeadFault::of(error).into()),
        }
        let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
            return Err(ResponseError::Malformed("no status line"));
        };
        if status < 100 {
            return Err(ResponseError::Malformed("a status that is none"));
        }
        self.status = status;
        self.version_minor = minor;
        self.reason = Span::of(parsed.reason.unwrap_or_default().as_bytes(), head);
        self.fields.read(parsed.headers, head)?;
        let is_old = minor == 0;
        if status == 101 && (!request.asked_upgrade || is_old) {
            return Err(ResponseError::Malformed("101 for a request that asked for no upgrade"));
        }
        let framing = self.fields.framing(head, is_old)?.unwrap_or(Framing::UntilClose);
        let has_no_body = request.is_head || status < 200 || matches!(status, 204 | 304);
        self.framing = if has_no_body { Framing::None } else { framing };
        Ok(())
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The text behind the status.
    #[must_use]
    pub fn reason<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.reason.of_input(input)
    }

    /// Whether another response follows for the same request: 1xx but 101.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
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

    /// Content-Length, also of a response without body (HEAD, 304), but not where it has no meaning and
    /// must not be sent (1xx, 204; RFC 9110 section 8.6).
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.fields.length.filter(|_| self.status >= 200 && self.status != 204)
    }

    /// Whether the server's connection can serve another request when this one is over.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        self.framing != Framing::UntilClose && self.fields.keeps_alive(self.version_minor == 0)
    }

    /// Whether the field at this index concerns the server's connection only.
    #[must_use]
    pub fn is_hop_by_hop(&self, index: usize) -> bool {
        self.fields.is_hop_by_hop(index)
    }
}
