//! A server that does what a test wants of it.
//!
//! Job: answer requests and checks, refuse, hang, or vanish, and count. In: real connections, orders of
//! the test. Out: responses. Invariant: each connection is served by a thread of its own, and `kill` ends
//! all of them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The path of checks; any other is a request.
pub const HEALTH: &str = "/health";

/// What it does with what it is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// This status and body.
    Status(u16, String),
    /// Nothing, for as long as the peer waits.
    Nothing,
}

/// What the test and the threads share.
struct Shared {
    state: Mutex<State>,
    counted: Condvar,
    is_dead: AtomicBool,
    streams: Mutex<BTreeMap<u32, TcpStream>>,
    connections: AtomicU32,
}

struct State {
    answer: Answer,
    answer_to_checks: Answer,
    requests: u32,
    checks: u32,
}

/// A server.
pub struct Backend {
    /// Where it is.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Backend {
    /// A healthy one, which answers with its name.
    pub fn start(name: &str) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), name)
    }

    /// The same at an address.
    pub fn start_at(address: SocketAddr, name: &str) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().expect("it is bound");
        let state = State {
            answer: Answer::Status(200, name.to_owned()),
            answer_to_checks: Answer::Status(200, "all is well".to_owned()),
            requests: 0,
            checks: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            counted: Condvar::new(),
            is_dead: AtomicBool::new(false),
            streams: Mutex::default(),
            connections: AtomicU32::new(0),
        });
        let for_thread = shared.clone();
        let acceptor = thread::spawn(move || accept(&listener, &for_thread));
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// From now on requests are answered so. Returns how many were answered otherwise.
    pub fn answer(&self, answer: Answer) -> u32 {
        let mut state = self.shared.state.lock().expect("no panic");
        state.answer = answer;
        state.requests
    }

    /// From now on checks are answered so. Returns how many were answered otherwise.
    pub fn answer_checks(&self, answer: Answer) -> u32 {
        let mut state = self.shared.state.lock().expect("no panic");
        state.answer_to_checks = answer;
        state.checks
    }

    /// Requests that have come.
    pub fn requests(&self) -> u32 {
        self.shared.state.lock().expect("no panic").requests
    }

    /// Checks that have come.
    pub fn checks(&self) -> u32 {
        self.shared.state.lock().expect("no panic").checks
    }

    /// Waits until so many requests have come.
    pub fn wait_for_requests(&self, count: u32) {
        self.wait_until(|state| state.requests >= count);
    }

    /// Waits until so many checks have come.
    pub fn wait_for_checks(&self, count: u32) {
        self.wait_until(|state| state.checks >= count);
    }

    fn wait_until(&self, is_enough: impl Fn(&State) -> bool) {
        let state = self.shared.state.lock().expect("no panic");
        let wait = Duration::from_secs(10);
        let (state, result) = self
            .shared
            .counted
            .wait_timeout_while(state, wait, |state| !is_enough(state))
            .expect("no panic");
        let (requests, checks) = (state.requests, state.checks);
        assert!(!result.timed_out(), "only {requests} requests and {checks} checks have come");
    }

    /// Ends as a killed process does: nobody listens, and all connections are gone.
    pub fn kill(&mut self) {
        let Some(acceptor) = self.acceptor.take() else { return };
        self.shared.is_dead.store(true, SeqCst);
        // Has the acceptor look at the flag.
        let _ = TcpStream::connect(self.address);
        acceptor.join().expect("the acceptor does not panic");
        let _answered = self.shared.state.lock();
        for stream in self.shared.streams.lock().expect("no panic").values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.kill();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_dead.load(SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.connections.fetch_add(1, SeqCst);
        let copy = stream.try_clone().expect("there are descriptors");
        shared.streams.lock().expect("no panic").insert(number, copy);
        let shared = shared.clone();
        thread::spawn(move || {
            serve(stream, &shared);
            shared.streams.lock().expect("no panic").remove(&number);
        });
    }
}

/// Requests without bodies, one after the other.
fn serve(stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let request = read_request(&mut reader)?;
        // What has been counted has been answered, for whoever looks at the state.
        let mut state = shared.state.lock().ok()?;
        let answer = if request.path == HEALTH {
            state.checks += 1;
            &state.answer_to_checks
        } else {
            state.requests += 1;
            &state.answer
        };
        shared.counted.notify_all();
        if let Answer::Status(status, body) = answer {
            let length = body.len();
            let text = format!("HTTP/1.1 {status} Some\r\nContent-Length: {length}\r\n\r\n{body}");
            writer.write_all(text.as_bytes()).ok()?;
        }
        let is_over = *answer != Answer::Nothing && request.is_last;
        drop(state);
        if is_over {
            return writer.shutdown(Shutdown::Write).ok();
        }
    }
}

struct Request {
    path: String,
    is_last: bool,
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.to_ascii_lowercase());
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let is_last = lines.iter().any(|line| line.trim_end() == "connection: close");
    Some(Request { path, is_last })
}
