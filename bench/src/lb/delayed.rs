//! Job: HTTP servers that answer after a time of their own, and count what reaches them.
//! In: the delay of each. Out: addresses, counts.
//! Invariant: one thread serves all of them and sleeps while nothing is due; a delayed answer delays
//! no other; a dropped [`Delayed`] has ended its thread.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::child::free_address;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n\
    0123456789012345678901234567890123456789012345678901234567890123";
const CHECK: &[u8] = b"GET /health ";
const HEAD_END: &[u8] = b"\r\n\r\n";
/// More than any head that a proxy sends; a connection with more is closed.
const MAX_INPUT_BYTES: usize = 16 << 10;

/// What has reached the servers.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests for `/health`.
    pub checks: AtomicU64,
    /// Connections that carried another request and are open.
    pub open: AtomicU64,
    /// Other requests, per server.
    pub requests: Vec<AtomicU64>,
}

/// The running servers.
#[derive(Debug)]
pub struct Delayed {
    /// Where they listen, in the order of the delays.
    pub addresses: Vec<SocketAddr>,
    /// What has reached them.
    pub counts: Arc<Counts>,
    stops: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// A client of one of the servers.
struct Client {
    stream: TcpStream,
    server: usize,
    input: Vec<u8>,
    is_counted: bool,
}

struct Servers {
    poll: Poll,
    listeners: Vec<TcpListener>,
    delays: Vec<Duration>,
    clients: HashMap<Token, Client>,
    /// Tokens are never used twice, so an answer that is due cannot meet another client.
    next_token: usize,
    /// Answers by the time they are due. All delays but zero must be equal for this order.
    due: VecDeque<(Instant, Token)>,
    counts: Arc<Counts>,
}

impl Delayed {
    /// Starts one server for each of `delays`, of which all but zero are equal.
    ///
    /// # Errors
    /// No port or no thread is to be had.
    pub fn start(delays: &[Duration]) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Token(delays.len()))?;
        let mut listeners = Vec::new();
        for index in 0..delays.len() {
            let mut listener = TcpListener::bind(free_address()?)?;
            poll.registry().register(&mut listener, Token(index), Interest::READABLE)?;
            listeners.push(listener);
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let requests = delays.iter().map(|_| AtomicU64::new(0)).collect();
        let counts = Arc::new(Counts { requests, ..Counts::default() });
        let stops = Arc::new(AtomicBool::new(false));
        let mut servers = Servers {
            poll,
            listeners,
            delays: delays.to_vec(),
            clients: HashMap::new(),
            next_token: delays.len() + 1,
            due: VecDeque::new(),
            counts: Arc::clone(&counts),
        };
        let until = Arc::clone(&stops);
        let thread = thread::Builder::new().name("delayed".to_owned()).spawn(move || {
            // A broken poll would end all answers, which the load generator reports.
            while !until.load(Ordering::Relaxed) && servers.turn().is_ok() {}
        })?;
        Ok(Self { addresses, counts, stops, waker, thread: Some(thread) })
    }
}

impl Drop for Delayed {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        // Both fail only when the thread is gone already, which is what is wanted.
        let _ = self.waker.wake();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Servers {
    fn turn(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let timeout = self.due.front().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        self.poll.poll(&mut events, timeout).or_else(|error| {
            if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
        })?;
        for event in &events {
            match event.token() {
                Token(index) if index < self.listeners.len() => self.accept(index)?,
                token => self.serve(token),
            }
        }
        let now = Instant::now();
        while self.due.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, token)) = self.due.pop_front() else { break };
            let is_sent = self.clients.get_mut(&token).is_none_or(|client| client.answer().is_ok());
            if !is_sent {
                self.close(token);
            }
        }
        Ok(())
    }

    fn accept(&mut self, server: usize) -> io::Result<()> {
        loop {
            let mut stream = match self.listeners[server].accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let token = Token(self.next_token);
            self.next_token += 1;
            stream.set_nodelay(true)?;
            self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
            let client = Client { stream, server, input: Vec::new(), is_counted: false };
            self.clients.insert(token, client);
        }
    }

    fn serve(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        let is_open = client.receive().is_ok_and(|is_open| is_open);
        while let Some(at) = client.input.windows(HEAD_END.len()).position(|w| w == HEAD_END) {
            if client.input.starts_with(CHECK) {
                self.counts.checks.fetch_add(1, Ordering::Relaxed);
            } else {
                self.counts.requests[client.server].fetch_add(1, Ordering::Relaxed);
                if !client.is_counted {
                    client.is_counted = true;
                    self.counts.open.fetch_add(1, Ordering::Relaxed);
                }
            }
            client.input.drain(..at + HEAD_END.len());
            let delay = self.delays[client.server];
            if delay > Duration::ZERO {
                self.due.push_back((Instant::now() + delay, token));
            } else if client.answer().is_err() {
                break;
            }
        }
        if !is_open || client.input.len() > MAX_INPUT_BYTES {
            self.close(token);
        }
    }

    fn close(&mut self, token: Token) {
        if self.clients.remove(&token).is_some_and(|client| client.is_counted) {
            self.counts.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Client {
    /// An answer is shorter than an empty send buffer, so one that does not fit has a client that
    /// does not read.
    fn answer(&mut self) -> io::Result<()> {
        match self.stream.write(ANSWER)? {
            count if count == ANSWER.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Appends what has arrived; false at the end of the stream.
    fn receive(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(count) => self.input.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.input.len() > MAX_INPUT_BYTES {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[test]
    fn only_the_slow_one_waits_and_all_is_counted() {
        let delay = Duration::from_millis(30);
        let servers = Delayed::start(&[Duration::ZERO, delay]).expect("servers");
        let start = Instant::now();
        let slow = http::ask(servers.addresses[1], "/small").expect("an answer");
        assert!(start.elapsed() >= delay);
        let fast = http::ask(servers.addresses[0], "/small").expect("an answer");
        http::ask(servers.addresses[0], "/health").expect("an answer");
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &servers.counts;
        assert_eq!((count(&counts.checks), count(&counts.open)), (1, 2));
        assert_eq!(counts.requests.iter().map(count).collect::<Vec<_>>(), [1, 1]);
        drop((slow, fast));
        let deadline = Instant::now() + Duration::from_secs(10);
        while count(&counts.open) > 0 {
            assert!(Instant::now() < deadline, "closed connections still count");
            thread::yield_now();
        }
    }
}
