//! The trailer section of a chunked body (RFC 9112 section 7.1.2).
//!
//! Job: collect the section and let through only what is safe behind a body. In: its bytes, one by one.
//! Out: lines of fields. Invariant: no field leaves here that a server which merges trailers into the
//! head could take for the framing, the route or the origin of the request; memory is bounded, and taken
//! only when there are fields.

use super::field::trim;
use super::{BodyError, Known, TRAILER_BYTES_MAX};

/// Fields of a trailer section.
const FIELDS_MAX: usize = 64;

/// A trailer section that is coming in, and then its fields.
#[derive(Debug, Default)]
pub(super) struct Trailer {
    lines: Vec<u8>,
    follows_return: bool,
}

impl Trailer {
    /// True at the end of the section.
    pub(super) fn take(&mut self, byte: u8) -> Result<bool, BodyError> {
        if self.follows_return != (byte == b'\n') || self.lines.len() >= TRAILER_BYTES_MAX {
            return Err(BodyError::Trailer);
        }
        self.follows_return = byte == b'\r';
        let is_at_line_start = self.lines.is_empty() || self.lines.ends_with(b"\r\n");
        match byte {
            // The return of an empty line is not kept: either the section ends with it or is refused.
            b'\r' if is_at_line_start => Ok(false),
            b'\n' if is_at_line_start => self.normalise().map(|()| true),
            _ => {
                self.lines.push(byte);
                Ok(false)
            }
        }
    }

    fn normalise(&mut self) -> Result<(), BodyError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        self.lines.extend_from_slice(b"\r\n");
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let parsed = httparse::parse_headers(&self.lines, &mut fields);
        let Ok(httparse::Status::Complete((_, fields))) = parsed else {
            return Err(BodyError::Trailer);
        };
        let mut kept = Vec::with_capacity(self.lines.len());
        for field in fields {
            let name = field.name.as_bytes();
            match Known::of(name) {
                Known::Host | Known::ContentLength | Known::TransferEncoding => {
                    return Err(BodyError::Trailer);
                }
                Known::Other => {
                    kept.extend_from_slice(name);
                    kept.extend_from_slice(b": ");
                    kept.extend_from_slice(trim(field.value));
                    kept.extend_from_slice(b"\r\n");
                }
                // Addresses, hosts, cookies, what concerns the connection, and imitations of them.
                _ => {}
            }
        }
        self.lines = kept;
        Ok(())
    }

    /// The fields that are let through, after the end.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }
}
