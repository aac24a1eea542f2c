//! Job: write the header that a connection to a server begins with.
//! In: who the client is. Out: bytes behind those that a buffer holds already.
//! Invariant: what is written reads back as the same endpoints, but for unix sockets in version 1,
//! which has no word for them.

use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{Endpoints, SIGNATURE, UNIX_PATH_BYTES, Version};

/// Writes a header. Where one end is of IPv4 and the other of IPv6, both are written as IPv6. Paths are
/// cut at the 108 bytes that the protocol has for them.
pub fn write(version: Version, endpoints: &Endpoints<'_>, out: &mut Vec<u8>) {
    match version {
        Version::V1 => write_v1(endpoints, out),
        Version::V2 => write_v2(endpoints, out),
    }
}

fn write_v1(endpoints: &Endpoints<'_>, out: &mut Vec<u8>) {
    let Endpoints::Tcp { source, destination } = endpoints else {
        out.extend_from_slice(b"PROXY UNKNOWN\r\n");
        return;
    };
    let (from, to) = (source.port(), destination.port());
    // Writing to a `Vec` cannot fail.
    let _ = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            write!(out, "PROXY TCP4 {source} {destination} {from} {to}\r\n")
        }
        (source, destination) => {
            let (source, destination) = (as_ipv6(source), as_ipv6(destination));
            write!(out, "PROXY TCP6 {source} {destination} {from} {to}\r\n")
        }
    };
}

fn write_v2(endpoints: &Endpoints<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    match endpoints {
        Endpoints::Own => out.extend_from_slice(&[0x20, 0x00, 0, 0]),
        Endpoints::Tcp { source: SocketAddr::V4(source), destination: SocketAddr::V4(target) } => {
            out.extend_from_slice(&[0x21, 0x11, 0, 12]);
            out.extend_from_slice(&source.ip().octets());
            out.extend_from_slice(&target.ip().octets());
            out.extend_from_slice(&source.port().to_be_bytes());
            out.extend_from_slice(&target.port().to_be_bytes());
        }
        Endpoints::Tcp { source, destination } => {
            out.extend_from_slice(&[0x21, 0x21, 0, 36]);
            out.extend_from_slice(&as_ipv6(source.ip()).octets());
            out.extend_from_slice(&as_ipv6(destination.ip()).octets());
            out.extend_from_slice(&source.port().to_be_bytes());
            out.extend_from_slice(&destination.port().to_be_bytes());
        }
        Endpoints::Unix { source, destination } => {
            out.extend_from_slice(&[0x21, 0x31, 0, 2 * UNIX_PATH_BYTES as u8]);
            for path in [source, destination] {
                let end = out.len() + UNIX_PATH_BYTES;
                out.extend_from_slice(&path[..path.len().min(UNIX_PATH_BYTES)]);
                out.resize(end, 0);
            }
        }
    }
}

fn as_ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}
