//! Options and addresses of sockets in the ring.
//!
//! Job: what a core asks of or sets on a socket, so that no raw descriptor is needed outside of
//! this crate.
//! In: a socket's id. Out: plain values.
//! Invariant: no call here blocks, and none touches what is in flight.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::address::RawAddress;
use super::{NetRing, SocketAddress};
use crate::sockets::{ListenerId, SocketId};

impl NetRing {
    /// The address of the peer (getpeername(2)).
    ///
    /// # Errors
    /// ENOTCONN when the peer is gone already.
    pub fn peer_address(&self, id: SocketId) -> io::Result<SocketAddress> {
        address(self.descriptor(id)?, libc::getpeername)
    }

    /// The address on this side (getsockname(2)).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn local_address(&self, id: SocketId) -> io::Result<SocketAddress> {
        address(self.descriptor(id)?, libc::getsockname)
    }

    /// The address that a listener is bound to: tells the port that 0 became.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn listener_address(&self, id: ListenerId) -> io::Result<SocketAddress> {
        let listener = self.listeners.get(id.0).ok_or_else(bad_descriptor)?;
        address(listener.descriptor(), libc::getsockname)
    }

    /// Sets or clears TCP_NODELAY. Accepted sockets inherit it from their listener.
    ///
    /// # Errors
    /// EOPNOTSUPP for unix sockets.
    pub fn set_no_delay(&self, id: SocketId, on: bool) -> io::Result<()> {
        set_no_delay(self.descriptor(id)?, on)
    }

    /// Has the kernel probe a silent peer: first after `idle_s` seconds, then every third of that,
    /// three times. 0 switches it off. Accepted sockets inherit it from their listener.
    ///
    /// # Errors
    /// EOPNOTSUPP for unix sockets.
    pub fn set_keepalive(&self, id: SocketId, idle_s: u32) -> io::Result<()> {
        set_keepalive(self.descriptor(id)?, idle_s)
    }

    /// Bytes that have come and that no receive has taken yet (SIOCINQ).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn unread_bytes(&self, id: SocketId) -> io::Result<usize> {
        count_bytes(self.descriptor(id)?, libc::FIONREAD)
    }

    /// Bytes that the kernel has taken and that the peer has not acknowledged yet (SIOCOUTQ).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn unsent_bytes(&self, id: SocketId) -> io::Result<usize> {
        count_bytes(self.descriptor(id)?, libc::TIOCOUTQ)
    }

    /// The number of the socket's descriptor, for people to read: lists of connections show it so
    /// that they can be told apart in `lsof`. `None` when the socket is closed.
    pub fn descriptor_number(&self, id: SocketId) -> Option<i32> {
        self.descriptor(id).ok().map(AsRawFd::as_raw_fd)
    }

    fn descriptor(&self, id: SocketId) -> io::Result<&OwnedFd> {
        self.sockets.get(id.0).map(|socket| &socket.fd).ok_or_else(bad_descriptor)
    }
}

fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}

type GetName =
    unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn address(fd: &OwnedFd, get_name: GetName) -> io::Result<SocketAddress> {
    let mut raw = RawAddress::empty();
    let (pointer, length) = raw.as_raw_mut();
    // SAFETY: pointer and length describe the storage, which outlives the call.
    check(unsafe { get_name(fd.as_raw_fd(), pointer, length) })?;
    raw.decode()
}

fn count_bytes(fd: &OwnedFd, request: libc::Ioctl) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: both requests write one `int`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut count) })?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The bound address of a socket outside a ring.
pub(crate) fn local_address(fd: &OwnedFd) -> io::Result<SocketAddress> {
    address(fd, libc::getsockname)
}

/// A fresh stream socket.
pub(crate) fn stream_socket(family: libc::c_int, flags: libc::c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | flags;
    // SAFETY: socket(2) takes no memory; the result is checked.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Binds a socket to an address.
pub(crate) fn bind(socket: &OwnedFd, address: &SocketAddress) -> io::Result<()> {
    let raw = RawAddress::new(address)?;
    let (pointer, length) = raw.as_raw();
    // SAFETY: pointer and length describe `raw`, which outlives the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), pointer, length) })?;
    Ok(())
}

/// An operation on a non-blocking descriptor would fail with EAGAIN instead of waiting in the ring.
pub(crate) fn make_blocking(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: these two commands take no memory.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    if flags & libc::O_NONBLOCK != 0 {
        let blocking = flags & !libc::O_NONBLOCK;
        // SAFETY: as above.
        check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, blocking) })?;
    }
    Ok(())
}

pub(crate) fn set_no_delay(fd: &OwnedFd, on: bool) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, libc::c_int::from(on))
}

pub(crate) fn set_keepalive(fd: &OwnedFd, idle_s: u32) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, libc::c_int::from(idle_s > 0))?;
    if idle_s > 0 {
        // The kernel takes at most 32767 seconds.
        let idle_s = idle_s.min(32767) as libc::c_int;
        set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, idle_s)?;
        set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, (idle_s / 3).max(1))?;
        set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3)?;
    }
    Ok(())
}

pub(crate) fn set_option(
    fd: &OwnedFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads one `int`, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// The result of a system call, or its error.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
