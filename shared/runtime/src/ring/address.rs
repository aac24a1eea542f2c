//! Socket addresses: IPv4, IPv6 and unix paths.
//!
//! Job: translate between [`SocketAddress`] and what the kernel reads and writes.
//! In: either. Out: the other.
//! Invariant: a raw address is valid for its family and its length fits.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::mem::{offset_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a socket listens or connects.
#[derive(Clone, Eq, PartialEq, Hash, Debug)]
pub enum SocketAddress {
    /// TCP over IPv4 or IPv6.
    Ip(SocketAddr),
    /// A unix socket by its path; an empty path is the end of a connection that has no name.
    Unix(PathBuf),
}

impl SocketAddress {
    /// Whether it is a unix socket.
    pub fn is_unix(&self) -> bool {
        matches!(self, SocketAddress::Unix(_))
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketAddress::Ip(address) => address.fmt(f),
            SocketAddress::Unix(path) => path.display().fmt(f),
        }
    }
}

impl From<SocketAddr> for SocketAddress {
    fn from(address: SocketAddr) -> Self {
        SocketAddress::Ip(address)
    }
}

impl From<&Path> for SocketAddress {
    fn from(path: &Path) -> Self {
        SocketAddress::Unix(path.to_owned())
    }
}

/// An address in the kernel's form.
pub(crate) struct RawAddress {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
}

impl RawAddress {
    /// Room for the kernel to write an address into.
    pub(crate) fn empty() -> Self {
        // SAFETY: all-zero bytes are a valid `sockaddr_storage` (family AF_UNSPEC).
        let storage = unsafe { zeroed() };
        Self { storage, length: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    /// The kernel's form of `address`.
    ///
    /// # Errors
    /// InvalidInput for a unix path that is empty, too long (107 bytes) or contains a zero byte.
    pub(crate) fn new(address: &SocketAddress) -> io::Result<Self> {
        let mut raw = Self::empty();
        match address {
            SocketAddress::Ip(SocketAddr::V4(address)) => {
                let value = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
                    sin_zero: [0; 8],
                };
                // SAFETY: the storage is larger than and aligned for every kind of address.
                unsafe { raw.store(value) };
            }
            SocketAddress::Ip(SocketAddr::V6(address)) => {
                let value = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                    sin6_scope_id: address.scope_id(),
                };
                // SAFETY: as above.
                unsafe { raw.store(value) };
            }
            SocketAddress::Unix(path) => {
                // SAFETY: all-zero bytes are a valid `sockaddr_un`.
                let mut value: libc::sockaddr_un = unsafe { zeroed() };
                value.sun_family = libc::AF_UNIX as libc::sa_family_t;
                let bytes = path.as_os_str().as_bytes();
                let fits = bytes.len() < value.sun_path.len();
                if bytes.is_empty() || bytes.contains(&0) || !fits {
                    let text =
                        format!("unix socket path '{}' is empty or too long", path.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                for (to, from) in value.sun_path.iter_mut().zip(bytes) {
                    *to = *from as libc::c_char;
                }
                // SAFETY: as above.
                unsafe { raw.store(value) };
                let length = offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
                raw.length = length as libc::socklen_t;
            }
        }
        Ok(raw)
    }

    /// # Safety
    /// `T` must be one of the kernel's kinds of addresses.
    unsafe fn store<T>(&mut self, value: T) {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        // SAFETY: it fits, and the storage is aligned for every kind of address.
        unsafe { (&raw mut self.storage).cast::<T>().write(value) };
        self.length = size_of::<T>() as libc::socklen_t;
    }

    pub(crate) fn family(&self) -> libc::c_int {
        libc::c_int::from(self.storage.ss_family)
    }

    pub(crate) fn as_raw(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        ((&raw const self.storage).cast(), self.length)
    }

    pub(crate) fn as_raw_mut(&mut self) -> (*mut libc::sockaddr, &mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &mut self.length)
    }

    /// What the kernel has written.
    ///
    /// # Errors
    /// Unsupported for other families.
    pub(crate) fn decode(&self) -> io::Result<SocketAddress> {
        match self.family() {
            libc::AF_INET => {
                // SAFETY: the family says that the storage holds a `sockaddr_in`.
                let value = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(value.sin_addr.s_addr));
                let port = u16::from_be(value.sin_port);
                Ok(SocketAddress::Ip(SocketAddr::V4(SocketAddrV4::new(ip, port))))
            }
            libc::AF_INET6 => {
                // SAFETY: the family says that the storage holds a `sockaddr_in6`.
                let value = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(value.sin6_addr.s6_addr);
                let port = u16::from_be(value.sin6_port);
                let (flow, scope) = (value.sin6_flowinfo, value.sin6_scope_id);
                Ok(SocketAddress::Ip(SocketAddr::V6(SocketAddrV6::new(ip, port, flow, scope))))
            }
            libc::AF_UNIX => {
                // SAFETY: the family says that the storage holds a `sockaddr_un`.
                let value = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_un>() };
                let written = (self.length as usize)
                    .saturating_sub(offset_of!(libc::sockaddr_un, sun_path))
                    .min(value.sun_path.len());
                let path: Vec<u8> = value.sun_path[..written]
                    .iter()
                    .map(|&byte| byte as u8)
                    .take_while(|&byte| byte != 0)
                    .collect();
                Ok(SocketAddress::Unix(PathBuf::from(OsStr::from_bytes(&path))))
            }
            _ => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_to_the_kernel_and_back() {
        for text in ["127.0.0.1:6379", "[::1]:80", "[fe80::1%3]:65535"] {
            let address = SocketAddress::Ip(text.parse().unwrap());
            assert_eq!(RawAddress::new(&address).unwrap().decode().unwrap(), address);
        }
        let address = SocketAddress::from(Path::new("/tmp/a socket"));
        assert_eq!(RawAddress::new(&address).unwrap().decode().unwrap(), address);
    }

    #[test]
    fn bad_paths_are_refused() {
        for path in ["".to_owned(), "a\0b".to_owned(), "x".repeat(108)] {
            let address = SocketAddress::Unix(PathBuf::from(path));
            assert!(RawAddress::new(&address).is_err());
        }
    }
}
