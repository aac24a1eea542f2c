//! Why a message is refused.
//!
//! Job: the kinds of refusal, what they say and which status answers them. In: the parsers. Out: texts
//! for people and statuses for clients. Invariant: a refusal names what was wrong, not just that it was.

use std::fmt;

/// What is wrong with a head of either kind.
pub(super) enum HeadFault {
    /// With what is wrong.
    Malformed(&'static str),
    /// The first line alone is too long.
    LineTooLong,
    /// Too many bytes or fields.
    TooLarge,
    /// Its length could be found, but not its content.
    UnknownCoding,
}

impl HeadFault {
    /// What httparse's refusal means, but for the version, which differs.
    pub(super) fn of(error: httparse::Error) -> Self {
        Self::Malformed(match error {
            httparse::Error::TooManyHeaders => return Self::TooLarge,
            httparse::Error::Version => "the first line has no HTTP/1 version",
            httparse::Error::HeaderName => "a field name is no token",
            httparse::Error::HeaderValue => "a field value has odd bytes or is folded",
            httparse::Error::NewLine => "a line does not end in CRLF",
            httparse::Error::Token => "the first line is malformed",
            httparse::Error::Status => "the status is no number of three digits",
        })
    }
}

impl From<HeadFault> for RequestError {
    fn from(fault: HeadFault) -> Self {
        match fault {
            HeadFault::Malformed(what) => Self::Malformed(what),
            HeadFault::LineTooLong => Self::TargetTooLong,
            HeadFault::TooLarge => Self::HeadTooLarge,
            HeadFault::UnknownCoding => Self::UnknownCoding,
        }
    }
}

impl From<HeadFault> for ResponseError {
    fn from(fault: HeadFault) -> Self {
        match fault {
            HeadFault::Malformed(what) => Self::Malformed(what),
            HeadFault::LineTooLong | HeadFault::TooLarge => Self::HeadTooLarge,
            HeadFault::UnknownCoding => Self::Malformed("Transfer-Encoding is not chunked"),
        }
    }
}

/// Why a request is refused.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// 400, with what is wrong.
    Malformed(&'static str),
    /// 414: the request line alone is too long.
    TargetTooLong,
    /// 417: an expectation other than 100-continue.
    UnknownExpectation,
    /// 431: too many bytes or fields.
    HeadTooLarge,
    /// 501: a transfer coding that we do not know, before chunked.
    UnknownCoding,
    /// 505: neither HTTP/1.0 nor HTTP/1.1.
    UnknownVersion,
}

impl RequestError {
    /// The status that answers it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TargetTooLong => 414,
            Self::UnknownExpectation => 417,
            Self::HeadTooLarge => 431,
            Self::UnknownCoding => 501,
            Self::UnknownVersion => 505,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed(what) => what,
            Self::TargetTooLong => "the request line is too long",
            Self::UnknownExpectation => "an expectation other than 100-continue",
            Self::HeadTooLarge => "the head has too many bytes or fields",
            Self::UnknownCoding => "a transfer coding other than chunked",
            Self::UnknownVersion => "neither HTTP/1.0 nor HTTP/1.1",
        })
    }
}

impl std::error::Error for RequestError {}

/// Why a response is no response.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// With what is wrong.
    Malformed(&'static str),
    /// Too many bytes or fields.
    HeadTooLarge,
}

impl ResponseError {
    /// The status that tells the client.
    #[must_use]
    pub fn status(self) -> u16 {
        502
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed(what) => what,
            Self::HeadTooLarge => "the head has too many bytes or fields",
        })
    }
}

impl std::error::Error for ResponseError {}

/// Why a body is none.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The size of a chunk is no number of 1 to 16 hexadecimal digits.
    ChunkSize,
    /// What stands behind the size of a chunk is no chunk extension, or too long.
    ChunkExtension,
    /// The data of a chunk is not followed by CRLF.
    ChunkEnd,
    /// The trailer section is malformed or too large.
    Trailer,
    /// The connection ended first.
    Truncated,
}

impl fmt::Display for BodyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ChunkSize => "the size of a chunk is no hexadecimal number",
            Self::ChunkExtension => "a chunk extension is malformed or too long",
            Self::ChunkEnd => "the data of a chunk does not end where its size says",
            Self::Trailer => "the trailer section is malformed or too large",
            Self::Truncated => "the connection ended before the body",
        })
    }
}

impl std::error::Error for BodyError {}
