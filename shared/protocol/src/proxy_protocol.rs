//! The PROXY protocol, versions 1 (text) and 2 (binary): who the client behind a proxy is.
//!
//! Job: read the header that a connection begins with, and write one. In: the first bytes of a
//! connection. Out: the endpoints of the client's own connection, and how many bytes said so.
//! Invariant: more bytes are asked for only while those at hand can still become a valid header of at
//! most [`HEADER_BYTES_MAX`] bytes. Whether a header is expected is a matter of configuration and
//! never guessed, as the specification demands.

mod read_v1;
mod read_v2;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::net::SocketAddr;

pub use read_v2::{Tlv, Tlvs};
pub use write::write;

/// Bytes of the longest header that is read. Version 1 ends at 107; version 2 could announce 64 KiB,
/// but a certificate is the largest thing that is sent in practice.
pub const HEADER_BYTES_MAX: usize = 8 << 10;

/// What every header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Length of a path in version 2, padded with NUL.
const UNIX_PATH_BYTES: usize = 108;

/// How a header is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// The two ends of the client's own connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoints<'a> {
    /// Those of this very connection: a check of the proxy itself, or something it cannot name.
    Own,
    /// TCP. Addresses of IPv4 inside IPv6 (`::ffff:1.2.3.4`) are read as IPv4, so that no rule on
    /// addresses can be passed by writing one in the other way.
    Tcp {
        /// The client.
        source: SocketAddr,
        /// What it connected to.
        destination: SocketAddr,
    },
    /// A unix socket. Paths without their padding; empty for a socket that has no name.
    Unix {
        /// The client.
        source: &'a [u8],
        /// What it connected to.
        destination: &'a [u8],
    },
}

/// A header that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader<'a> {
    /// How it was written.
    pub version: Version,
    /// The ends of the client's connection.
    pub endpoints: Endpoints<'a>,
    /// What else was said about it (version 2 only).
    pub tlvs: Tlvs<'a>,
}

/// Why bytes are no PROXY protocol header. The connection is to be closed without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// They begin with something else.
    NotProxy,
    /// A line of version 1 that does not end in time, or not with CR LF.
    BadLineEnd,
    /// A line of version 1 with a protocol other than TCP4, TCP6 and UNKNOWN.
    BadProtocol,
    /// A line of version 1 with too few or too many words, or an address that is none.
    BadAddress,
    /// A line of version 1 with a port that is none.
    BadPort,
    /// A version other than 2, or a command, family or transport that is not assigned.
    BadCommand,
    /// More bytes than [`HEADER_BYTES_MAX`].
    TooLong,
    /// Version 2 with fewer bytes than its addresses need.
    Truncated,
    /// An attribute (TLV) that does not end inside of the header or breaks its own rules.
    BadAttribute,
    /// The checksum differs.
    BadChecksum,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotProxy => "no PROXY protocol header",
            Self::BadLineEnd => "PROXY protocol line does not end",
            Self::BadProtocol => "PROXY protocol line names an unknown protocol",
            Self::BadAddress => "PROXY protocol line with a bad address",
            Self::BadPort => "PROXY protocol line with a bad port",
            Self::BadCommand => "PROXY protocol header with an unknown version, command or family",
            Self::TooLong => "PROXY protocol header is too long",
            Self::Truncated => "PROXY protocol header is shorter than its addresses",
            Self::BadAttribute => "PROXY protocol header with a bad attribute",
            Self::BadChecksum => "PROXY protocol header with a wrong checksum",
        })
    }
}

impl std::error::Error for ProxyError {}

/// Reads the header at the start of a connection: the header and its length in bytes, or `None` while
/// more bytes are needed.
///
/// # Errors
/// As soon as the bytes cannot become a header any more.
pub fn parse(input: &[u8]) -> Result<Option<(ProxyHeader<'_>, usize)>, ProxyError> {
    match input.first() {
        None => Ok(None),
        Some(&b'P') => read_v1::parse(input),
        Some(_) => read_v2::parse(input),
    }
}

/// Whether the input is `expected`, or can become so: `None` while it is shorter.
fn starts_with(input: &[u8], expected: &[u8]) -> Result<Option<()>, ProxyError> {
    let compared = input.len().min(expected.len());
    if input[..compared] != expected[..compared] {
        return Err(ProxyError::NotProxy);
    }
    Ok((compared == expected.len()).then_some(()))
}

/// The same endpoint without IPv4 inside of IPv6.
fn canonical(ip: impl Into<std::net::IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(ip.into().to_canonical(), port)
}
