//! Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` and CR LF.
//!
//! Job: read that line. In: the first bytes of a connection. Out: its endpoints.
//! Invariant: exactly one space between words, decimal ports without leading zeros or sign, and CR LF
//! within 107 bytes; nothing is looked at before the line is complete.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{Endpoints, ProxyError, ProxyHeader, Tlvs, Version, canonical, starts_with};

/// Bytes of the longest line with its end.
const LINE_BYTES_MAX: usize = 107;

pub(super) fn parse(input: &[u8]) -> Result<Option<(ProxyHeader<'_>, usize)>, ProxyError> {
    if starts_with(input, b"PROXY ")?.is_none() {
        return Ok(None);
    }
    let window = &input[..input.len().min(LINE_BYTES_MAX)];
    let Some(end) = memchr::memchr2(b'\r', b'\n', window) else {
        return if window.len() < LINE_BYTES_MAX { Ok(None) } else { Err(ProxyError::BadLineEnd) };
    };
    match window.get(end..end + 2) {
        Some(b"\r\n") => {}
        None if window[end] == b'\r' && window.len() < LINE_BYTES_MAX => return Ok(None),
        _ => return Err(ProxyError::BadLineEnd),
    }
    let header = ProxyHeader {
        version: Version::V1,
        endpoints: endpoints(&window[b"PROXY ".len()..end])?,
        tlvs: Tlvs::default(),
    };
    Ok(Some((header, end + 2)))
}

fn endpoints(line: &[u8]) -> Result<Endpoints<'_>, ProxyError> {
    let mut words = line.split(|&byte| byte == b' ');
    match words.next() {
        Some(b"TCP4") => tcp::<Ipv4Addr>(words),
        Some(b"TCP6") => tcp::<Ipv6Addr>(words),
        // What follows is to be ignored.
        Some(b"UNKNOWN") => Ok(Endpoints::Own),
        _ => Err(ProxyError::BadProtocol),
    }
}

fn tcp<'a, Ip: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a [u8]>,
) -> Result<Endpoints<'static>, ProxyError> {
    let source = address::<Ip>(words.next())?;
    let destination = address::<Ip>(words.next())?;
    let source_port = port(words.next())?;
    let destination_port = port(words.next())?;
    if words.next().is_some() {
        return Err(ProxyError::BadPort);
    }
    Ok(Endpoints::Tcp {
        source: canonical(source, source_port),
        destination: canonical(destination, destination_port),
    })
}

fn address<Ip: FromStr>(word: Option<&[u8]>) -> Result<Ip, ProxyError> {
    word.and_then(|word| std::str::from_utf8(word).ok())
        .and_then(|word| word.parse().ok())
        .ok_or(ProxyError::BadAddress)
}

fn port(word: Option<&[u8]>) -> Result<u16, ProxyError> {
    let word = word.ok_or(ProxyError::BadPort)?;
    let is_decimal = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let has_leading_zero = word.len() > 1 && word[0] == b'0';
    if !is_decimal || has_leading_zero {
        return Err(ProxyError::BadPort);
    }
    let text = std::str::from_utf8(word).map_err(|_| ProxyError::BadPort)?;
    text.parse().map_err(|_| ProxyError::BadPort)
}
