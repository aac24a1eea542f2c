//! What all threads of the process share.
//!
//! Job: hold the few words by which cores, the control thread and the admin listener meet. In: each
//! word has one kind of writer. Out: read by anybody.
//! Invariant: a request writes none of them but the count of connections.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use ringlet_runtime::wake::WakeHandle;

use crate::snapshot::Published;
use crate::state::Changes;

/// What all threads of the process share.
pub struct Shared {
    /// The present configuration.
    pub published: Published,
    /// Counts changes of servers.
    pub changes: Changes,
    /// Rings each core.
    pub bells: Vec<OnceLock<WakeHandle>>,
    /// Client connections of all cores.
    pub connections: AtomicU32,
    /// No new connections; those that are there may end.
    pub is_stopping: AtomicBool,
    /// Cores that still have connections.
    pub draining: AtomicUsize,
}

impl Shared {
    /// Shared state for so many cores.
    #[must_use]
    pub fn new(published: Published, cores: usize) -> Self {
        Self {
            published,
            changes: Changes::default(),
            bells: (0..cores).map(|_| OnceLock::new()).collect(),
            connections: AtomicU32::new(0),
            is_stopping: AtomicBool::new(false),
            draining: AtomicUsize::new(cores),
        }
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
