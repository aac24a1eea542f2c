//! HTTP/1.0 and HTTP/1.1 messages (RFC 9110, RFC 9112). No I/O, no clock.
//!
//! Job: find out where a message ends and what it says, and refuse what two readers could understand in
//! two ways. In: bytes as they come. Out: offsets into those bytes; pieces of bodies.
//! Invariant: whatever is accepted has one length, by one rule, and every line of its head ends in
//! CRLF; a parser that has seen a part of a message and then the rest finds the same as one that sees
//! all at once.

mod body;
#[cfg(test)]
mod body_tests;
mod error;
mod field;
mod fields;
mod head_end;
mod known;
pub mod path;
mod request;
#[cfg(test)]
mod request_tests;
mod response;
#[cfg(test)]
mod response_tests;
mod status;
mod target;
mod trailer;

pub use body::{Body, LAST_CHUNK, Piece, write_chunk_head, write_last_chunk};
pub use error::{BodyError, RequestError, ResponseError};
pub use field::{Field, Span, members};
pub use known::Known;
pub use request::RequestHead;
pub use response::{RequestKind, ResponseHead};
pub use status::{reason, write_connection};
pub use target::Target;

/// Header fields that a head may have at all; limits are at most this.
pub const FIELDS_MAX: usize = 256;

/// Bytes of the trailer section of a chunked body.
pub const TRAILER_BYTES_MAX: usize = 8192;

/// What a head may measure.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the start line and all fields.
    pub head_bytes_max: usize,
    /// Fields, at most [`FIELDS_MAX`].
    pub fields_max: usize,
}

/// How the end of a message's body is found (RFC 9112 section 6.3).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// So many bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// Until the connection ends; responses only.
    UntilClose,
}
