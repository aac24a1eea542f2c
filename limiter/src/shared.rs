//! What all threads of the process share.
//!
//! Job: hold the few words by which cores, the control thread and the admin listener meet. In: each word
//! has one kind of writer. Out: read by anybody. Invariant: a question writes none of them.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ringlet_limit::rules::RuleSet;
use ringlet_runtime::wake::WakeHandle;

use crate::config::model::Protocol;
use crate::front::FrontSettings;
use crate::report::{CoreReport, Watched};

/// What a reload replaces: all cores take it up between two of their passes.
pub struct Snapshot {
    /// What is limited.
    pub rules: Arc<RuleSet>,
    /// What the fronts of each listener are told, in the order of [`Shared::listeners`].
    pub fronts: Vec<Arc<FrontSettings>>,
    /// Whether denials are written down.
    pub is_audited: bool,
}

/// What has come of reloads.
#[derive(Clone, Debug, Default)]
pub struct Reloads {
    /// How many were taken up.
    pub successes: u64,
    /// How many were refused.
    pub failures: u64,
    /// When the last one was, by the calendar in seconds, and what was said.
    pub last: Option<(i64, Result<String, String>)>,
}

/// A place where clients come in.
pub struct ListenerShared {
    /// Its name.
    pub name: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Its addresses, as the configuration has them.
    pub binds: Vec<String>,
    /// The addresses with their real ports.
    pub addresses: Vec<String>,
    /// The sockets of each core, for the core to take.
    pub sockets: Vec<Mutex<Vec<OwnedFd>>>,
}

/// What all threads of the process share.
pub struct Shared {
    snapshot: Mutex<Arc<Snapshot>>,
    generation: AtomicU64,
    /// Places where clients come in; they stay as they are until the process ends.
    pub listeners: Vec<ListenerShared>,
    /// Rings each core.
    pub bells: Vec<OnceLock<WakeHandle>>,
    /// When each core last ticked, on the monotonic clock; 0 before it serves.
    pub ticked_ms: Vec<AtomicI64>,
    /// What each core has counted.
    pub reports: Vec<Mutex<CoreReport>>,
    watched: Mutex<Arc<Watched>>,
    reloads: Mutex<Reloads>,
    /// No new connections; those that are there may end.
    pub is_stopping: AtomicBool,
    /// Cores that still have connections.
    pub draining: AtomicUsize,
    /// How long connections may take to end.
    pub drain_timeout_ms: i64,
    /// Connections of all cores, and the most there may be.
    pub connections: AtomicUsize,
    /// See [`Shared::connections`].
    pub connections_max: usize,
}

impl Shared {
    /// Shared state for `cores` cores.
    #[must_use]
    pub fn new(
        snapshot: Snapshot,
        listeners: Vec<ListenerShared>,
        cores: usize,
        drain_timeout_ms: i64,
        connections_max: usize,
    ) -> Self {
        Self {
            snapshot: Mutex::new(Arc::new(snapshot)),
            generation: AtomicU64::new(1),
            listeners,
            bells: (0..cores).map(|_| OnceLock::new()).collect(),
            ticked_ms: (0..cores).map(|_| AtomicI64::new(0)).collect(),
            reports: (0..cores).map(|_| Mutex::default()).collect(),
            watched: Mutex::default(),
            reloads: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            draining: AtomicUsize::new(cores),
            drain_timeout_ms,
            connections: AtomicUsize::new(0),
            connections_max,
        }
    }

    /// Counts snapshots. Looked at by each core in each pass, before its mail: who sends a message
    /// by a new snapshot has published it before.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The present snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        lock(&self.snapshot).clone()
    }

    /// Has all cores go over to another snapshot.
    pub fn publish(&self, snapshot: Snapshot) {
        *lock(&self.snapshot) = Arc::new(snapshot);
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.wake_all();
    }

    /// The keys that cores shall watch.
    #[must_use]
    pub fn watched(&self) -> Arc<Watched> {
        lock(&self.watched).clone()
    }

    /// Has the cores watch other keys, from the next time that they write down what they have counted.
    pub fn watch(&self, watched: Watched) {
        *lock(&self.watched) = Arc::new(watched);
    }

    /// What has come of reloads.
    #[must_use]
    pub fn reloads(&self) -> Reloads {
        lock(&self.reloads).clone()
    }

    /// Notes what has come of a reload.
    pub fn note_reload(&self, unix_s: i64, said: &Result<String, String>) {
        let mut reloads = lock(&self.reloads);
        reloads.successes += u64::from(said.is_ok());
        reloads.failures += u64::from(said.is_err());
        reloads.last = Some((unix_s, said.clone()));
    }

    /// Rings all cores.
    pub fn wake_all(&self) {
        for bell in self.bells.iter().filter_map(OnceLock::get) {
            bell.wake();
        }
    }

    /// Asks for an orderly end.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.wake_all();
    }
}

/// Locks; a thread that panicked within has left nothing half-written, as values are replaced whole.
pub fn lock<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
