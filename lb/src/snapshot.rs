//! What all cores work by, between two reloads.
//!
//! Job: tie the configuration to the state that outlives it. In: the registry, which makes one per
//! change. Out: read by every core, which takes up a new one between two passes.
//! Invariant: never changed once published; a connection goes on by the one it began with.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ringlet_limit::rules::RuleSet;

use crate::balance::Blueprint;
use crate::model;
use crate::rate_limit::ListenerLimits;
use crate::route::Router;
use crate::state::{ListenerState, PoolState, ServerState};

/// A configuration with its state.
pub struct Snapshot {
    /// Counts up with every change.
    pub generation: u64,
    /// What concerns the process.
    pub global: model::Global,
    /// Where clients come in.
    pub listeners: Vec<Arc<ListenerShared>>,
    /// Where requests go, by their slots; retired pools keep theirs, with no servers.
    pub pools: Vec<Arc<PoolShared>>,
    /// What requests may be held against; none as long as there has never been a rule.
    pub rules: Option<Arc<RuleSet>>,
}

/// A listener for all cores.
pub struct ListenerShared {
    /// Its configuration. The pools that it names are slots of [`Snapshot::pools`].
    pub config: model::Listener,
    /// Finds the pool of a request.
    pub router: Router,
    /// Its counters.
    pub state: Arc<ListenerState>,
    /// What its requests are held against.
    pub limits: ListenerLimits,
    /// Its sockets.
    pub sockets: Vec<Arc<ListeningSockets>>,
}

/// The sockets of one address: one for each core.
#[derive(Debug)]
pub struct ListeningSockets {
    /// The address with its real port, for people.
    pub address: String,
    /// Counts all that were ever opened.
    pub number: u64,
    /// Each core takes its own.
    places: Vec<Mutex<Option<OwnedFd>>>,
}

impl ListeningSockets {
    /// Sockets for the cores to take.
    #[must_use]
    pub fn new(address: String, number: u64, sockets: Vec<OwnedFd>) -> Self {
        let places = sockets.into_iter().map(|socket| Mutex::new(Some(socket))).collect();
        Self { address, number, places }
    }

    /// The socket of `core`, once.
    pub fn take(&self, core: usize) -> Option<OwnedFd> {
        self.places[core].lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A pool for all cores.
pub struct PoolShared {
    /// Its configuration.
    pub config: model::Pool,
    /// Its counters.
    pub state: Arc<PoolState>,
    /// Its servers, in the order of the configuration.
    pub servers: Vec<Arc<ServerState>>,
    /// Makes each core's balancer.
    pub blueprint: Blueprint,
    /// No configuration names it any more.
    pub is_retired: bool,
}

/// Where the present snapshot lies.
pub struct Published {
    present: Mutex<Arc<Snapshot>>,
    generation: AtomicU64,
}

impl Published {
    /// The first one.
    #[must_use]
    pub fn new(first: Arc<Snapshot>) -> Self {
        Self { generation: AtomicU64::new(first.generation), present: Mutex::new(first) }
    }

    /// The generation of the present one: one load.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The present one.
    pub fn get(&self) -> Arc<Snapshot> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts `next` in its place.
    pub fn publish(&self, next: Arc<Snapshot>) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = next.generation;
        *present = next;
        self.generation.store(generation, Ordering::Release);
    }
}
