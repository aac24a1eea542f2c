//! What a call ends with.
//!
//! Job: the numbers and texts of gRPC's statuses. Invariant: never `UNKNOWN`: Envoy takes it as leave
//! to go on, whatever `failure_mode_deny` says.

use std::borrow::Cow;

use http::HeaderValue;

/// The statuses that are used.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// All is well.
    Ok = 0,
    /// The request cannot be answered as it is.
    InvalidArgument = 3,
    /// There is no such thing.
    NotFound = 5,
    /// The request is too large.
    ResourceExhausted = 8,
    /// There is no such method, or not in this form.
    Unimplemented = 12,
    /// The bytes are not what gRPC says they are to be.
    Internal = 13,
    /// Not now: the store cannot be asked, or too many wait, or the process is about to end.
    Unavailable = 14,
}

/// A status that is not `Ok`, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its number.
    pub code: Code,
    /// What was wrong and what to do.
    pub text: Cow<'static, str>,
}

impl Status {
    /// This status.
    pub fn new(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// The text as the header `grpc-message` has it: printable ASCII, the rest percent-encoded.
    pub fn header_text(&self) -> HeaderValue {
        let mut encoded = Vec::with_capacity(self.text.len());
        for &byte in self.text.as_bytes() {
            if (b' '..=b'~').contains(&byte) && byte != b'%' {
                encoded.push(byte);
            } else {
                encoded.push(b'%');
                encoded.extend(
                    [byte >> 4, byte & 15].map(|digit| b"0123456789ABCDEF"[digit as usize]),
                );
            }
        }
        HeaderValue::from_bytes(&encoded).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Code {
    /// The number as the header `grpc-status` has it.
    pub fn header_value(self) -> HeaderValue {
        HeaderValue::from(self as u16)
    }
}
