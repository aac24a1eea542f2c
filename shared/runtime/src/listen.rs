//! Listening sockets: TCP over IPv4 and IPv6, and unix sockets.
//!
//! Job: make the listening sockets of an address, one per core, or say clearly why that fails.
//! In: [`ListenOptions`]. Out: descriptors for `NetRing::listen`.
//! Invariant: an address on which another process listens is refused, although our own cores share
//! it.

mod unix;

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use crate::ring::SocketAddress;
use crate::ring::options::{self, bind, check, set_option, stream_socket};
pub use unix::SocketFile;

/// How often, and after what pause, an address in use is tried again.
const PATIENCE: usize = 12;
const PAUSE: Duration = Duration::from_millis(25);

/// What to listen on, and how.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// The address. Port 0 lets the kernel choose one, the same for all cores.
    pub address: SocketAddress,
    /// Connections that wait to be accepted, per socket; the kernel caps it at net.core.somaxconn.
    pub backlog: u32,
    /// TCP_NODELAY for accepted connections.
    pub no_delay: bool,
    /// Keepalive of accepted connections, see `NetRing::set_keepalive`; 0 is off.
    pub keepalive_s: u32,
    /// Permissions of a unix socket, for instance 0o700; `None` leaves them to the umask.
    pub unix_mode: Option<u32>,
}

impl ListenOptions {
    /// Options for `address` with Redis's defaults: backlog 511, no delay, keepalive 300 s.
    pub fn new(address: impl Into<SocketAddress>) -> Self {
        Self {
            address: address.into(),
            backlog: 511,
            no_delay: true,
            keepalive_s: 300,
            unix_mode: None,
        }
    }
}

/// Why one cannot listen on an address.
#[derive(Debug)]
pub struct ListenError {
    /// The address.
    pub address: SocketAddress,
    /// The kind of failure.
    pub kind: ListenErrorKind,
    /// What the kernel said.
    pub source: io::Error,
}

/// The kinds of failure to listen.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum ListenErrorKind {
    /// Another process listens there.
    AddressInUse,
    /// Ports below 1024 and some directories are for the privileged.
    PermissionDenied,
    /// This machine has no such address. Redis forgives this for `bind -ADDRESS`.
    AddressNotAvailable,
    /// The address makes no sense, or the machine has no such protocol (IPv6 is off).
    BadAddress,
    /// Anything else.
    Other,
}

impl ListenError {
    fn new(address: &SocketAddress, source: io::Error) -> Self {
        let kind = match source.raw_os_error() {
            Some(libc::EADDRINUSE) => ListenErrorKind::AddressInUse,
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => ListenErrorKind::PermissionDenied,
            Some(libc::EADDRNOTAVAIL) => ListenErrorKind::AddressNotAvailable,
            Some(libc::EAFNOSUPPORT | libc::EINVAL | libc::ENOENT | libc::ENOTDIR) => {
                ListenErrorKind::BadAddress
            }
            None => ListenErrorKind::BadAddress,
            Some(_) => ListenErrorKind::Other,
        };
        Self { address: address.clone(), kind, source }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, kind, source } = self;
        match kind {
            ListenErrorKind::AddressInUse => {
                write!(
                    f,
                    "cannot listen on {address}: Address already in use (another process listens there)"
                )
            }
            ListenErrorKind::PermissionDenied => write!(
                f,
                "cannot listen on {address}: {source} (ports below 1024 need privileges, unix sockets a \
                 writable directory)"
            ),
            ListenErrorKind::AddressNotAvailable => {
                write!(f, "cannot listen on {address}: this machine has no such address")
            }
            ListenErrorKind::BadAddress => {
                write!(f, "cannot listen on {address}: not a usable address: {source}")
            }
            ListenErrorKind::Other => write!(f, "cannot listen on {address}: {source}"),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The addresses of `HOST:PORT` or `unix:PATH`.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn look_up(text: &str) -> Result<Vec<SocketAddress>, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(vec![SocketAddress::Unix(path.into())]);
    }
    let mut addresses: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|error| format!("{text} is no address such as 127.0.0.1:80: {error}"))?
        .collect();
    // The resolver turns the order at each look-up; that would look like news.
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses.into_iter().map(SocketAddress::Ip).collect())
}

/// The listening sockets of what a configuration calls an address, one for each of `cores`, for many
/// short connections; and the address with its real port.
///
/// # Errors
/// One line for people.
///
/// # Panics
/// If `cores` is 0.
pub fn listen_on(bind: &str, cores: usize) -> Result<(Vec<OwnedFd>, String), String> {
    let address = look_up(bind)?.into_iter().next();
    let address = address.ok_or_else(|| format!("{bind} has no address"))?;
    let options = ListenOptions { backlog: 4096, ..ListenOptions::new(address) };
    let (sockets, address) = listen(&options, cores).map_err(|error| error.to_string())?;
    Ok((sockets, address.to_string()))
}

/// Listening sockets for `count` cores, all on one address, and that address (with its real port).
///
/// TCP: one socket per core, among which the kernel spreads connections (SO_REUSEPORT). Unix: one
/// socket that all cores accept from; a stale file of a dead server is replaced.
///
/// # Errors
/// When another process listens there, permissions lack, or the address is none of this machine.
///
/// # Panics
/// If `count` is 0.
pub fn listen(
    options: &ListenOptions,
    count: usize,
) -> Result<(Vec<OwnedFd>, SocketAddress), ListenError> {
    assert!(count > 0, "somebody must listen");
    let fail = |source| ListenError::new(&options.address, source);
    match &options.address {
        SocketAddress::Ip(address) => listen_tcp(options, *address, count).map_err(fail),
        SocketAddress::Unix(path) => {
            let first = unix::listen(options, path).map_err(fail)?;
            let mut sockets = vec![first];
            while sockets.len() < count {
                let copy = sockets[0].try_clone().map_err(fail)?;
                sockets.push(copy);
            }
            Ok((sockets, options.address.clone()))
        }
    }
}

fn listen_tcp(
    options: &ListenOptions,
    address: SocketAddr,
    count: usize,
) -> io::Result<(Vec<OwnedFd>, SocketAddress)> {
    // The first binds without SO_REUSEPORT and so fails if anybody else listens, whatever his
    // options. Only then it opens the port to the others of this process.
    let first = tcp_socket(options, address)?;
    bind_patiently(&first, &SocketAddress::Ip(address))?;
    let bound = options::local_address(&first)?;
    if count > 1 {
        set_option(&first, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    start_listening(&first, options.backlog)?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        let socket = tcp_socket(options, address)?;
        set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        bind(&socket, &bound)?;
        start_listening(&socket, options.backlog)?;
        sockets.push(socket);
    }
    Ok((sockets, bound))
}

fn tcp_socket(options: &ListenOptions, address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let socket = stream_socket(family, 0)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if address.is_ipv6() {
        // Else [::] would also take the IPv4 port, which has a listener of its own.
        set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    // Accepted sockets inherit both, which spares several system calls per connection.
    options::set_no_delay(&socket, options.no_delay)?;
    options::set_keepalive(&socket, options.keepalive_s)?;
    Ok(socket)
}

/// A listening unix socket with a name that the kernel has chosen, in no file system.
pub(crate) fn nameless() -> io::Result<OwnedFd> {
    let socket = stream_socket(libc::AF_UNIX, 0)?;
    let family = libc::AF_UNIX as libc::sa_family_t;
    let length = size_of_val(&family) as libc::socklen_t;
    // SAFETY: an address that is a family and nothing more; `family` outlives the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const family).cast(), length) })?;
    start_listening(&socket, 2)?;
    Ok(socket)
}

/// Binds, and waits a little for an address in use: the listener of a process that was killed lives
/// on until the kernel has taken its io_uring apart, some tens of milliseconds later, and a
/// restarted server must not fail for that.
fn bind_patiently(socket: &OwnedFd, address: &SocketAddress) -> io::Result<()> {
    for _ in 0..PATIENCE {
        match bind(socket, address) {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
    bind(socket, address)
}

fn start_listening(socket: &OwnedFd, backlog: u32) -> io::Result<()> {
    let backlog = libc::c_int::try_from(backlog).unwrap_or(libc::c_int::MAX);
    // SAFETY: takes no memory.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};
    use std::path::Path;

    fn options(text: &str) -> ListenOptions {
        ListenOptions::new(text.parse::<SocketAddr>().unwrap())
    }

    #[test]
    fn cores_share_a_port_but_nobody_else_does() {
        let (sockets, address) = listen(&options("127.0.0.1:0"), 3).unwrap();
        assert_eq!(sockets.len(), 3);
        let error = listen(&ListenOptions::new(address.clone()), 1).unwrap_err();
        assert_eq!(error.kind, ListenErrorKind::AddressInUse);
        let error = listen(&ListenOptions::new(address), 2).unwrap_err();
        assert!(error.to_string().contains("Address already in use"), "{error}");
    }

    #[test]
    fn a_foreign_listener_is_noticed() {
        let foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let options = ListenOptions::new(SocketAddress::Ip(foreign.local_addr().unwrap()));
        let error = listen(&options, 2).unwrap_err();
        assert_eq!(error.kind, ListenErrorKind::AddressInUse);
    }

    #[test]
    fn version_6_leaves_version_4_alone() {
        let (_v4, address) = listen(&options("0.0.0.0:0"), 1).unwrap();
        let SocketAddress::Ip(address) = address else { panic!("not an IP address") };
        let v6 = listen(&options(&format!("[::]:{}", address.port())), 1);
        assert!(v6.is_ok(), "{v6:?}");
    }

    #[test]
    fn addresses_of_other_machines_are_refused() {
        let error = listen(&options("192.0.2.1:0"), 1).unwrap_err();
        assert_eq!(error.kind, ListenErrorKind::AddressNotAvailable);
        let error = listen(&ListenOptions::new(Path::new("/nowhere/at/all")), 1).unwrap_err();
        assert_eq!(error.kind, ListenErrorKind::BadAddress);
    }
}
