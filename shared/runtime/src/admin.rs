//! The admin listener: a small HTTP/1 server for health, metrics and status pages.
//!
//! Job: answer GET and HEAD, and POST for changes, for a fixed table of paths, away from the cores.
//! In: addresses and a table of routes whose handlers make the bodies. Out: answers; every connection
//! serves one. A change passes only if no other site can have sent it (`admin/guard.rs`).
//! Invariant: whatever a client sends or leaves out, it holds one worker for a bounded time and a
//! bounded number of bytes, and none before it has sent something; when all are held, further
//! connections are closed at once.
//!
//! One thread accepts and waits for first bytes, a few workers serve. Plain blocking sockets with
//! timeouts: this page is read a few times per second at most, and it must answer even when a core
//! hangs.

pub mod document;
mod exchange;
mod guard;
mod http;
pub mod page;
mod parameters;
pub mod sampler;
pub mod terminal;
pub mod top;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

pub use guard::MARK;
pub use http::AdminStatus;
pub use parameters::Parameters;

/// Connections that are served at the same time.
pub const WORKERS: usize = 4;
/// Accepted connections that have sent nothing yet; one more closes the oldest of them.
pub const SILENT_CONNECTIONS: usize = 64;
/// Accepted connections that may wait for a worker.
pub const WAITING_CONNECTIONS: usize = 16;
/// Connections that the admin listener has open at most, each with a descriptor.
pub const CONNECTIONS_MAX: usize = WORKERS + SILENT_CONNECTIONS + WAITING_CONNECTIONS;
/// The most bytes of a request's head (request line and header fields).
pub const MAXIMUM_HEAD_BYTES: usize = 8192;
/// The most header fields of a request.
pub const MAXIMUM_HEADER_FIELDS: usize = 64;
/// The most bytes of the body of a change.
pub const MAXIMUM_BODY_BYTES: usize = 16 * 1024;
/// The time from a worker's turn to the end of the request, in milliseconds. It is short,
/// for a health check may wait behind clients that stop in the middle; a request fits one packet or
/// two.
pub const REQUEST_TIMEOUT_MS: i64 = 2_000;
/// The time for sending an answer, in milliseconds.
pub const ANSWER_TIMEOUT_MS: i64 = 5_000;

/// How long to wait after a failed accept (no file descriptor left, say), in milliseconds.
const ACCEPT_RETRY_MS: libc::c_int = 100;

/// What a handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAnswer {
    /// The status of the answer.
    pub status: AdminStatus,
    /// The body, in the content type of the route.
    pub body: Vec<u8>,
}

/// What a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// GET and HEAD: it shows something.
    Read,
    /// POST: it changes something.
    Change,
}

type Handler = Box<dyn Fn(&Parameters) -> AdminAnswer + Send + Sync>;

/// One page, or one change that can be asked for. Its handler makes the answer, on a worker thread;
/// several calls may run at the same time.
pub struct AdminRoute {
    /// The path, exactly as in the request and without a query: it begins with a slash.
    path: &'static str,
    access: Access,
    /// The media type of the body.
    content_type: &'static str,
    handler: Handler,
}

impl AdminRoute {
    /// A page that is the same whatever the query says.
    pub fn new(
        path: &'static str,
        content_type: &'static str,
        handler: impl Fn() -> AdminAnswer + Send + Sync + 'static,
    ) -> Self {
        Self::query(path, content_type, move |_| handler())
    }

    /// A page whose handler wants the parameters of the query.
    pub fn query(
        path: &'static str,
        content_type: &'static str,
        handler: impl Fn(&Parameters) -> AdminAnswer + Send + Sync + 'static,
    ) -> Self {
        Self { path, access: Access::Read, content_type, handler: Box::new(handler) }
    }

    /// A change by POST, whose handler gets the parameters of the body: a form or JSON.
    pub fn change(
        path: &'static str,
        content_type: &'static str,
        handler: impl Fn(&Parameters) -> AdminAnswer + Send + Sync + 'static,
    ) -> Self {
        Self { path, access: Access::Change, content_type, handler: Box::new(handler) }
    }
}

/// Why the admin listener did not start.
#[derive(Debug)]
pub enum AdminError {
    /// An address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// Threads or the socket to stop them cannot be made.
    Start(io::Error),
}

impl fmt::Display for AdminError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => {
                write!(formatter, "cannot listen on {address} for admin requests: {error}")
            }
            Self::Start(error) => write!(formatter, "cannot start the admin listener: {error}"),
        }
    }
}

impl std::error::Error for AdminError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (Self::Listen(_, error) | Self::Start(error)) = self;
        Some(error)
    }
}

/// The running admin listener. Dropping it closes the listening sockets; a request that is being
/// served then is still answered.
pub struct AdminServer {
    addresses: Vec<SocketAddr>,
    /// The accepting thread ends when this end is closed.
    stop: Option<UnixStream>,
    accepting: Option<JoinHandle<()>>,
}

impl AdminServer {
    /// Listens on all addresses (port 0 picks a free one) and serves the routes. Addresses that
    /// this machine does not have are left out if there is another: a name may stand for one of
    /// IPv6, where that is off, and one of IPv4.
    ///
    /// # Errors
    /// [`AdminError`], in which case nothing is left running.
    ///
    /// # Panics
    /// When two pages or two changes have the same path, or one does not begin with a slash.
    pub fn start(addresses: &[SocketAddr], routes: Vec<AdminRoute>) -> Result<Self, AdminError> {
        for (at, route) in routes.iter().enumerate() {
            assert!(route.path.starts_with('/'), "admin path {} needs a slash", route.path);
            let twice = routes[..at]
                .iter()
                .any(|other| (other.path, other.access) == (route.path, route.access));
            assert!(!twice, "admin path {} stands in the table twice", route.path);
        }
        let mut listeners = Vec::with_capacity(addresses.len());
        let mut absent = None;
        for address in addresses {
            match listen(*address) {
                Ok(listener) => listeners.push(listener),
                Err(error) if is_absent(&error) => absent = Some((*address, error)),
                Err(error) => return Err(AdminError::Listen(*address, error)),
            }
        }
        if let Some((address, error)) = absent.filter(|_| listeners.is_empty()) {
            return Err(AdminError::Listen(address, error));
        }
        Self::serve(listeners, routes).map_err(AdminError::Start)
    }

    fn serve(listeners: Vec<TcpListener>, routes: Vec<AdminRoute>) -> io::Result<Self> {
        let local = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let (stop, stopped) = UnixStream::pair()?;
        let (connections, waiting) = bounded(WAITING_CONNECTIONS);
        let routes = Arc::new(routes);
        for worker in 0..WORKERS {
            let (waiting, routes) = (waiting.clone(), Arc::clone(&routes));
            thread::Builder::new()
                .name(format!("admin-{worker}"))
                .spawn(move || work(&waiting, &routes))?;
        }
        let accepting = thread::Builder::new()
            .name("admin-accept".to_owned())
            .spawn(move || accept(&listeners, &stopped, &connections))?;
        Ok(Self { addresses: local, stop: Some(stop), accepting: Some(accepting) })
    }

    /// The addresses listened on, in the order of `start`, with their real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(accepting) = self.accepting.take() {
            // A panic there was already reported by the panic hook.
            let _ = accepting.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // A client that gives up between poll and accept must not block the thread.
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Whether this machine has no such address, or no such protocol.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// The accepting thread: ends when the other end of `stopped` is closed.
fn accept(listeners: &[TcpListener], stopped: &UnixStream, connections: &Sender<TcpStream>) {
    let mut silent: Vec<TcpStream> = Vec::new();
    loop {
        let mut waited: Vec<BorrowedFd<'_>> = vec![stopped.as_fd()];
        waited.extend(silent.iter().map(AsFd::as_fd));
        waited.extend(listeners.iter().map(AsFd::as_fd));
        let ready = wait(&waited, -1);
        if ready[0] {
            return;
        }
        let mut speaks = ready[1..].iter();
        for stream in silent.extract_if(.., |_| speaks.next() == Some(&true)) {
            // All workers are held and the waiting line is full: the connection is closed.
            drop(connections.try_send(stream));
        }
        for listener in listeners {
            match listener.accept() {
                Ok((stream, _)) => silent.push(stream),
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an admin connection");
                    if wait(&[stopped.as_fd()], ACCEPT_RETRY_MS)[0] {
                        return;
                    }
                }
            }
        }
        silent.drain(..silent.len().saturating_sub(SILENT_CONNECTIONS));
    }
}

/// Whether an accept failed for a reason that concerns that one connection, or found none.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted | ConnectionReset)
}

/// Waits until one of the descriptors is readable or closed, `timeout_ms` at most (-1: for ever).
/// Returns for each whether it is.
fn wait(descriptors: &[BorrowedFd<'_>], timeout_ms: libc::c_int) -> Vec<bool> {
    let mut polled: Vec<libc::pollfd> = descriptors
        .iter()
        .map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    // SAFETY: the pointer and the number describe `polled`, which is valid for reads and writes;
    // the descriptors are borrowed, hence open.
    let ready =
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout_ms) };
    // An error is EINTR or a passing lack of memory: nothing is ready, and the caller comes again.
    polled.iter().map(|entry| ready > 0 && entry.revents != 0).collect()
}

/// A worker: ends when the accepting thread has ended and the line is empty.
fn work(waiting: &Receiver<TcpStream>, routes: &[AdminRoute]) {
    while let Ok(stream) = waiting.recv() {
        // An error is the client's: it closed the connection, or was too slow to read.
        if let Err(error) = exchange::serve(stream, routes) {
            tracing::debug!(%error, "an admin connection failed");
        }
    }
}

#[cfg(test)]
#[path = "admin/tests.rs"]
mod tests;
