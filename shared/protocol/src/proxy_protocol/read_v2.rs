//! Version 2: a signature, a command, addresses, and attributes (type, length, value).
//!
//! Job: read that header. In: the first bytes of a connection. Out: its endpoints and attributes.
//! Invariant: what is not assigned is refused; all of the header is checked before any of it is
//! believed, the checksum (CRC32C) among it. A header that speaks of its own connection (LOCAL,
//! UNSPEC) or of datagrams is skipped by its length, and what it says is not looked at.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    Endpoints, HEADER_BYTES_MAX, ProxyError, ProxyHeader, SIGNATURE, UNIX_PATH_BYTES, Version,
    canonical, starts_with,
};

/// Bytes before the addresses.
const FIXED_BYTES: usize = 16;
const TYPE_CRC32C: u8 = 0x03;
const TYPE_UNIQUE_ID: u8 = 0x05;
const UNIQUE_ID_BYTES_MAX: usize = 128;
const TLV_HEAD_BYTES: usize = 3;

/// One attribute of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// What it is: 1 ALPN, 2 the name the client asked for, 5 a unique id, 0x20 TLS, ...
    pub kind: u8,
    /// Its value.
    pub value: &'a [u8],
}

/// The attributes of a header, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    /// The next one; `None` at the end or where one would not fit (the parser refuses such headers).
    fn next(&mut self) -> Option<Tlv<'a>> {
        let (head, rest) = self.rest.split_first_chunk::<TLV_HEAD_BYTES>()?;
        let (value, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes([head[1], head[2]])))?;
        self.rest = rest;
        Some(Tlv { kind: head[0], value })
    }
}

pub(super) fn parse(input: &[u8]) -> Result<Option<(ProxyHeader<'_>, usize)>, ProxyError> {
    if starts_with(input, SIGNATURE)?.is_none() {
        return Ok(None);
    }
    let Some(&command) = input.get(12) else { return Ok(None) };
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::BadCommand),
    };
    let Some(&family) = input.get(13) else { return Ok(None) };
    if !is_local && (family >> 4 > 3 || family & 0xf > 2) {
        return Err(ProxyError::BadCommand);
    }
    let Some(length) = input.get(14..FIXED_BYTES) else { return Ok(None) };
    let length = FIXED_BYTES + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > HEADER_BYTES_MAX {
        return Err(ProxyError::TooLong);
    }
    let Some(header) = input.get(..length) else { return Ok(None) };
    let (endpoints, tlvs) =
        if is_local { (Endpoints::Own, Tlvs::default()) } else { proxied(family, header)? };
    Ok(Some((ProxyHeader { version: Version::V2, endpoints, tlvs }, length)))
}

fn proxied(family: u8, header: &[u8]) -> Result<(Endpoints<'_>, Tlvs<'_>), ProxyError> {
    let (endpoints, rest) = match family {
        0x11 => ipv4(&header[FIXED_BYTES..]),
        0x21 => ipv6(&header[FIXED_BYTES..]),
        0x31 => unix(&header[FIXED_BYTES..]),
        _ => return Ok((Endpoints::Own, Tlvs::default())),
    }
    .ok_or(ProxyError::Truncated)?;
    check(Tlvs { rest }, header)?;
    Ok((endpoints, Tlvs { rest }))
}

fn ipv4(block: &[u8]) -> Option<(Endpoints<'_>, &[u8])> {
    let (source, rest) = block.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    let (ports, rest) = rest.split_first_chunk::<4>()?;
    let [source_port, destination_port] = both(*ports);
    let endpoints = Endpoints::Tcp {
        source: canonical(Ipv4Addr::from(*source), source_port),
        destination: canonical(Ipv4Addr::from(*destination), destination_port),
    };
    Some((endpoints, rest))
}

fn ipv6(block: &[u8]) -> Option<(Endpoints<'_>, &[u8])> {
    let (source, rest) = block.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let (ports, rest) = rest.split_first_chunk::<4>()?;
    let [source_port, destination_port] = both(*ports);
    let endpoints = Endpoints::Tcp {
        source: canonical(Ipv6Addr::from(*source), source_port),
        destination: canonical(Ipv6Addr::from(*destination), destination_port),
    };
    Some((endpoints, rest))
}

fn both(ports: [u8; 4]) -> [u16; 2] {
    [u16::from_be_bytes([ports[0], ports[1]]), u16::from_be_bytes([ports[2], ports[3]])]
}

fn unix(block: &[u8]) -> Option<(Endpoints<'_>, &[u8])> {
    let (source, rest) = block.split_first_chunk::<UNIX_PATH_BYTES>()?;
    let (destination, rest) = rest.split_first_chunk::<UNIX_PATH_BYTES>()?;
    let endpoints =
        Endpoints::Unix { source: unpadded(source), destination: unpadded(destination) };
    Some((endpoints, rest))
}

/// A path without the NUL bytes behind it. (One before it marks an abstract name, and stays.)
fn unpadded(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &path[..end]
}

/// Refuses attributes that do not fill their place exactly, and a checksum that differs.
fn check(mut tlvs: Tlvs<'_>, header: &[u8]) -> Result<(), ProxyError> {
    let mut has_checksum = false;
    while let Some(tlv) = tlvs.next() {
        match tlv.kind {
            TYPE_CRC32C => {
                let at = header.len() - tlvs.rest.len() - tlv.value.len();
                if has_checksum || tlv.value.len() != 4 {
                    return Err(ProxyError::BadAttribute);
                }
                has_checksum = true;
                if checksum(header, at).to_be_bytes() != tlv.value {
                    return Err(ProxyError::BadChecksum);
                }
            }
            TYPE_UNIQUE_ID if tlv.value.len() > UNIQUE_ID_BYTES_MAX => {
                return Err(ProxyError::BadAttribute);
            }
            _ => {}
        }
    }
    if tlvs.rest.is_empty() { Ok(()) } else { Err(ProxyError::BadAttribute) }
}

/// CRC32C of a header whose checksum at `at` counts as zero.
fn checksum(header: &[u8], at: usize) -> u32 {
    let before = crc32c::crc32c(&header[..at]);
    crc32c::crc32c_append(crc32c::crc32c_append(before, &[0; 4]), &header[at + 4..])
}
