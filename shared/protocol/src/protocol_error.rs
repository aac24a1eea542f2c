//! Job: name what can be wrong with a request's framing.
//! In: nothing. Out: the text that Redis answers before it closes the connection.
//! Invariant: texts equal those of redis-server 7.0, byte for byte.

use std::fmt;

/// A request that cannot be read any further: answer [`reply_text`](Self::reply_text), then close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number behind `*` is not an integer or too large.
    InvalidMultibulkLength,
    /// More words than a client may send before it has authenticated.
    UnauthenticatedMultibulkLength,
    /// The number behind `$` is not an integer, negative, or above `proto-max-bulk-len`.
    InvalidBulkLength,
    /// A longer word than a client may send before it has authenticated.
    UnauthenticatedBulkLength,
    /// A word does not begin with `$` but with this byte.
    ExpectedDollar(u8),
    /// The line behind `*` does not end.
    TooBigMultibulkCount,
    /// The line behind `$` does not end.
    TooBigBulkCount,
    /// An inline command does not end.
    TooBigInlineRequest,
    /// Quotes of an inline command do not match.
    UnbalancedQuotes,
    /// There is no memory for the announced argument. (Redis ends the process here.)
    OutOfMemory,
}

impl ProtocolError {
    /// The error reply without its leading `-` and without the line end, for
    /// [`Reply::error_bytes`](crate::Reply::error_bytes). It may hold any byte the client sent.
    #[must_use]
    pub fn reply_text(&self) -> Vec<u8> {
        let mut text = b"ERR Protocol error: ".to_vec();
        text.extend_from_slice(self.description().as_bytes());
        if let Self::ExpectedDollar(byte) = self {
            text.extend_from_slice(&[*byte, b'\'']);
        }
        text
    }

    fn description(&self) -> &'static str {
        match self {
            Self::InvalidMultibulkLength => "invalid multibulk length",
            Self::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            Self::InvalidBulkLength => "invalid bulk length",
            Self::UnauthenticatedBulkLength => "unauthenticated bulk length",
            Self::ExpectedDollar(_) => "expected '$', got '",
            Self::TooBigMultibulkCount => "too big mbulk count string",
            Self::TooBigBulkCount => "too big bulk count string",
            Self::TooBigInlineRequest => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::OutOfMemory => "not enough memory for the argument",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reply_text().escape_ascii().to_string())
    }
}

impl std::error::Error for ProtocolError {}
