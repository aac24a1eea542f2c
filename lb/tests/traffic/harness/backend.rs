//! Job: servers that say what a test tells them to, in any bytes and pieces.
//! In: a script for each connection. Out: all that scripts have read, byte by byte, by connection.
//! Invariant: what is recorded was read from the socket, whatever the script made of it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::wire::{DEADLINE, Socket, Wire};
use super::{free_listener, free_port};

/// What has come, for each connection.
#[derive(Default)]
struct Record {
    received: Mutex<Vec<Vec<u8>>>,
    changed: Condvar,
}

impl Record {
    fn add(&self, connection: usize, bytes: &[u8]) {
        self.lock()[connection].extend_from_slice(bytes);
        self.changed.notify_all();
    }

    /// A connection has come; its number.
    fn begin(&self) -> usize {
        let mut received = self.lock();
        received.push(Vec::new());
        self.changed.notify_all();
        received.len() - 1
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that records what comes.
struct Recorded<S> {
    socket: S,
    connection: usize,
    record: Arc<Record>,
}

impl<S: Read> Read for Recorded<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.socket.read(buffer)?;
        self.record.add(self.connection, &buffer[..length]);
        Ok(length)
    }
}

impl<S: Write> Write for Recorded<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl<S: Socket> Socket for Recorded<S> {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.socket.wait_at_most(time)
    }

    fn end_writing(&self) -> io::Result<()> {
        self.socket.end_writing()
    }
}

/// The server's end of a connection. Dropped, it is closed; with bytes unread that is a reset.
pub struct Peer {
    wire: Wire,
    /// Which of the server's connections, from 0 on.
    pub number: usize,
}

impl Deref for Peer {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Peer {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

/// A server.
pub struct Backend {
    /// As the balancer's options have it.
    pub address: String,
    record: Arc<Record>,
    is_over: Arc<AtomicBool>,
    acceptor: Option<thread::JoinHandle<()>>,
    child: Option<Child>,
}

impl Backend {
    /// One that runs a script for each connection.
    pub fn scripted(script: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let (listener, port) = free_listener();
        Self::at(listener, port, script)
    }

    /// The same at a port that is known before.
    pub fn at_port(port: u16, script: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
        Self::at(listener, port, script)
    }

    fn at(listener: TcpListener, port: u16, script: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let accept = move || {
            let socket = listener.accept()?.0;
            socket.set_nodelay(true)?;
            Ok(socket)
        };
        Self::run(format!("127.0.0.1:{port}"), accept, script)
    }

    /// The same at a unix socket.
    pub fn at_path(path: &str, script: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("a new path");
        Self::run(format!("unix:{path}"), move || Ok(listener.accept()?.0), script)
    }

    /// One that answers each request with the same bytes.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        Self::scripted(answer_all(bytes))
    }

    /// An address where nobody listens.
    pub fn nobody() -> Self {
        Self {
            address: format!("127.0.0.1:{}", free_port()),
            record: Arc::default(),
            is_over: Arc::default(),
            acceptor: None,
            child: None,
        }
    }

    /// A program of somebody else that is to listen at this port, as soon as it does.
    pub fn process(command: &mut Command, port: u16) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("the program is installed");
        let mut backend = Self::nobody();
        backend.address = format!("127.0.0.1:{port}");
        backend.child = Some(child);
        let end = Instant::now() + DEADLINE;
        while TcpStream::connect(&backend.address).is_err() {
            assert!(Instant::now() < end, "the program does not listen");
            thread::yield_now();
        }
        backend
    }

    fn run<S: Socket + 'static>(
        address: String,
        accept: impl Fn() -> io::Result<S> + Send + 'static,
        script: impl Fn(Peer) + Send + Sync + 'static,
    ) -> Self {
        let record = Arc::new(Record::default());
        let is_over = Arc::new(AtomicBool::new(false));
        let (script, shared, over) = (Arc::new(script), record.clone(), is_over.clone());
        let acceptor = thread::spawn(move || {
            while let Ok(socket) = accept() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let (script, record) = (script.clone(), shared.clone());
                let number = record.begin();
                let socket = Recorded { socket, connection: number, record };
                // Ends with the connection, or with a deadline.
                thread::spawn(move || script(Peer { wire: Wire::new(socket), number }));
            }
        });
        Self { address, record, is_over, acceptor: Some(acceptor), child: None }
    }

    /// Connections that have come so far.
    pub fn connections(&self) -> usize {
        self.record.lock().len()
    }

    /// What has come so far over all connections.
    pub fn received(&self) -> Vec<u8> {
        self.record.lock().concat()
    }

    /// The same as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received()).into_owned()
    }

    /// What has come over each connection, as soon as it is so.
    pub fn wait_for(&self, is_so: impl Fn(&[Vec<u8>]) -> bool) -> Vec<Vec<u8>> {
        let mut received = self.record.lock();
        let end = Instant::now() + DEADLINE;
        while !is_so(&received) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the server has only seen {received:?}");
            let changed = self.record.changed.wait_timeout(received, left);
            received = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
        received.clone()
    }

    /// What has come over each connection when nothing more has come for a while.
    pub fn wait_until_still(&self, time: Duration) -> Vec<Vec<u8>> {
        let mut received = self.record.lock();
        let end = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < end, "more and more comes");
            let changed = self.record.changed.wait_timeout(received, time);
            let (now, waited) = changed.unwrap_or_else(PoisonError::into_inner);
            received = now;
            if waited.timed_out() {
                return received.clone();
            }
        }
    }
}

impl Drop for Backend {
    /// Nobody listens there any more.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        self.is_over.store(true, Ordering::Release);
        let _ = match self.address.strip_prefix("unix:") {
            Some(path) => UnixStream::connect(path).map(drop),
            None => TcpStream::connect(&self.address).map(drop),
        };
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// A script that answers each request with the same bytes.
pub fn answer_all(bytes: impl Into<Vec<u8>>) -> impl Fn(Peer) + Send + Sync + 'static {
    let bytes = bytes.into();
    move |mut peer| {
        while peer.read_request().is_ok() {
            peer.send(&bytes);
        }
    }
}
