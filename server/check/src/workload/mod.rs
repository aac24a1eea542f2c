//! Job: seeded traffic that gives the judges in [`crate::history`] something to judge.
//! In: a running server, a seed, a duration. Out: a [`Summary`], or the first [`Failure`].
//! Invariant: a workload needs an own server or at least own keys (each prefixes its keys), ends
//! soon after its duration, and never waits for a reply longer than [`REPLY_TIMEOUT`].

pub mod append;
pub mod blocking;
pub mod conserve;
pub mod linear;
pub mod session;
pub mod stream;
pub mod watch;
pub mod whole;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Connection;
use crate::history::Violation;
use crate::keys::Keys;
use crate::random::Choices;
use session::Session;

/// Longest wait for a reply; a server that needs longer has lost the request or the wake-up.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(15);

/// All workloads, in the order in which they find faults fastest.
pub const ALL: &[Workload] = &[
    Workload { name: "stream", run: stream::run },
    Workload { name: "linear", run: linear::run },
    Workload { name: "append", run: append::run },
    Workload { name: "conserve", run: conserve::run },
    Workload { name: "watch", run: watch::run },
    Workload { name: "whole", run: whole::run },
    Workload { name: "blocking", run: blocking::run },
];

/// Traffic with its judge.
#[derive(Clone, Copy)]
pub struct Workload {
    /// Its name in reports.
    pub name: &'static str,
    /// Drives a server for the stage's duration and judges what it saw.
    pub run: fn(&Stage) -> Result<Summary, Failure>,
}

/// What a workload did when nothing was wrong.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Requests that were sent and judged.
    pub requests: usize,
    /// What else a reader should know, such as histories that could not be decided.
    pub note: String,
}

/// Why a workload ended early.
#[derive(Debug)]
pub enum Failure {
    /// The server broke a promise.
    Violation(Violation),
    /// A reply stayed away for [`REPLY_TIMEOUT`].
    Silence(String),
    /// The connection broke, or the server answered something that no promise covers.
    Trouble(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => write!(out, "broken promise: {violation}"),
            Self::Silence(what) => write!(out, "no reply within {REPLY_TIMEOUT:?}: {what}"),
            Self::Trouble(what) => write!(out, "trouble: {what}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silence(error.to_string()),
            _ => Self::Trouble(error.to_string()),
        }
    }
}

/// The server, the clock and the end of one run of a workload.
pub struct Stage {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Makes keys on wanted shards.
    pub keys: Keys,
    /// Where all choices of the run come from.
    pub choices: Choices,
    duration: Duration,
    start: Instant,
    next_session: AtomicUsize,
    stopped: AtomicBool,
}

impl Stage {
    /// A run of `duration` from now on against the server at `address` that has `shards` shards.
    pub fn new(address: SocketAddr, shards: usize, seed: u64, duration: Duration) -> Self {
        Self {
            address,
            keys: Keys::new(shards),
            choices: Choices::new(seed),
            duration,
            start: Instant::now(),
            next_session: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// Nanoseconds since the start, for all threads.
    pub fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// False when the time is over, or another thread has failed.
    pub fn running(&self) -> bool {
        self.running_until(100)
    }

    /// Like [`Stage::running`], for the first `percent` of the duration.
    pub fn running_until(&self, percent: u32) -> bool {
        !self.stopped.load(Ordering::Relaxed)
            && self.start.elapsed() < self.duration * percent / 100
    }

    /// A fresh connection that records events.
    ///
    /// # Errors
    /// A server that does not accept.
    pub fn session(&self) -> Result<Session<'_>, Failure> {
        let number = self.next_session.fetch_add(1, Ordering::Relaxed);
        Ok(Session::new(self, number, self.connection()?))
    }

    /// `count` fresh sessions.
    ///
    /// # Errors
    /// A server that does not accept.
    pub fn sessions(&self, count: usize) -> Result<Vec<Session<'_>>, Failure> {
        (0..count).map(|_| self.session()).collect()
    }

    /// A fresh connection that records nothing.
    ///
    /// # Errors
    /// A server that does not accept.
    pub fn connection(&self) -> Result<Connection, Failure> {
        Ok(Connection::open(self.address, REPLY_TIMEOUT)?)
    }

    /// Runs `work(0)` to `work(count - 1)` on a thread each. The first failure stops them all.
    ///
    /// # Errors
    /// That failure.
    pub fn threads<T: Send>(
        &self,
        count: usize,
        work: impl Fn(usize) -> Result<T, Failure> + Sync,
    ) -> Result<Vec<T>, Failure> {
        let guarded = |index| {
            let outcome = work(index);
            if outcome.is_err() {
                self.stopped.store(true, Ordering::Relaxed);
            }
            outcome
        };
        let guarded = &guarded;
        thread::scope(|scope| {
            let handles: Vec<_> =
                (0..count).map(|index| scope.spawn(move || guarded(index))).collect();
            handles
                .into_iter()
                .map(|handle| match handle.join() {
                    Ok(outcome) => outcome,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        })
    }
}
