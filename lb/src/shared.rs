//! What all threads of the process share.
//!
//! Job: hold the few words by which cores, the control thread and the admin listener meet. In: each
//! word has one kind of writer. Out: read by anybody.
//! Invariant: a request writes none of them but the count of connections.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use ringlet_limit_carrier::station::Crew;
use ringlet_runtime::wake::WakeHandle;

use crate::snapshot::Published;
use crate::state::{Changes, Watch};

/// What all threads of the process share.
pub struct Shared {
    /// The present configuration.
    pub published: Published,
    /// Counts changes of servers.
    pub changes: Changes,
    /// Rings each core.
    pub bells: Vec<OnceLock<WakeHandle>>,
    /// For each core: something that it watches wants to be looked at.
    alarms: Vec<AtomicBool>,
    /// When each core last ticked, on the monotonic clock; 0 before it serves.
    pub ticked_ms: Vec<AtomicI64>,
    /// Client connections of all cores.
    pub connections: AtomicU32,
    /// No new connections; those that are there may end.
    pub is_stopping: AtomicBool,
    /// Cores that still have connections.
    pub draining: AtomicUsize,
    /// Cores whose rate limiter still has something of other cores.
    pub settling: AtomicUsize,
    /// What their rate limiters have in common.
    pub crew: Arc<Crew>,
    /// Whether the rate limiters' store answers, as one core sees it.
    pub is_store_up: AtomicBool,
}

impl Shared {
    /// Shared state for so many cores.
    #[must_use]
    pub fn new(published: Published, cores: usize, crew: Crew) -> Self {
        Self {
            published,
            changes: Changes::default(),
            bells: (0..cores).map(|_| OnceLock::new()).collect(),
            alarms: (0..cores).map(|_| AtomicBool::new(false)).collect(),
            ticked_ms: (0..cores).map(|_| AtomicI64::new(0)).collect(),
            connections: AtomicU32::new(0),
            is_stopping: AtomicBool::new(false),
            draining: AtomicUsize::new(cores),
            settling: AtomicUsize::new(cores),
            crew: Arc::new(crew),
            is_store_up: AtomicBool::new(false),
        }
    }

    /// Rings all cores.
    pub fn wake_all(&self) {
        for bell in self.bells.iter().filter_map(OnceLock::get) {
            bell.wake();
        }
    }

    /// A server has become more or less usable: all cores shall know at once, also those whose clients
    /// wait for an answer that will not come.
    pub fn note_change(&self) {
        self.changes.note();
        self.wake_all();
    }

    /// Has the core that watches something look at it at once. Costs one load while it has not looked.
    pub fn alarm(&self, watch: &Watch) {
        let Some(core) = watch.raise() else { return };
        let Some(alarm) = self.alarms.get(core) else { return };
        alarm.store(true, Ordering::Release);
        if let Some(bell) = self.bells[core].get() {
            bell.wake();
        }
    }

    /// Whether something that `core` watches has been raised since the last time.
    #[inline]
    pub fn take_alarm(&self, core: usize) -> bool {
        let alarm = &self.alarms[core];
        alarm.load(Ordering::Relaxed) && alarm.swap(false, Ordering::AcqRel)
    }

    /// Asks for an orderly end.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.wake_all();
    }
}
