//! One core's view of the pools: which server is next, who is in flight, who waits.
//!
//! Job: keep for each server what balancers look at, cheaply, and the core's connections that wait for
//! a request. In: requests that begin and end; changes of health, weights and configuration. Out: a
//! server, or why there is none.
//! Invariant: every `begin` is followed by exactly one `end`, also over a reload; own loads are exact,
//! those of other cores are as old as the last `fold`.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ringlet_base::random::Random;
use ringlet_runtime::ring::{SocketAddress, SocketId};

use crate::balance::latency::{self, PeakEwma};
use crate::balance::{Balancer, Candidate, Request, slow_start};
use crate::health::availability::{Availability, Facts, Mode, Use};
use crate::idle::Idle;
use crate::model;
use crate::snapshot::{PoolShared, Snapshot};
use crate::state::{Checked, ServerRow, ServerState};

/// What a pool says to a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// This server, by its slot.
    Server(usize),
    /// All that serve have all they may have.
    Full,
    /// None serves.
    Nobody,
}

/// A pool on one core.
pub struct LocalPool {
    /// What all cores share.
    pub shared: Rc<Arc<PoolShared>>,
    candidates: Vec<Candidate>,
    availability: Availability,
    balancer: Box<dyn Balancer>,
    /// Clients whose requests wait for a server, in order.
    pub waiting: VecDeque<SocketId>,
    /// Some server's weight still grows after its return.
    is_growing: bool,
    /// It was asked for a server since the last fold.
    was_asked: bool,
    /// Its algorithm looks at latencies.
    uses_latency: bool,
}

/// A server on one core.
pub struct LocalServer {
    /// What all cores share.
    pub state: Arc<ServerState>,
    /// Its configuration.
    pub config: model::Server,
    /// Its pool, and its place there; none once a reload has dropped it.
    place: Option<(usize, usize)>,
    in_flight: u32,
    /// Places that its limit counts for requests of this core: a reload may set, change or drop the
    /// limit while they are under way.
    places: u32,
    /// Its check had found it down when it was looked at last.
    was_down: bool,
    /// Connections that wait for a request, the one used last at the end.
    pub idle: Idle,
    latency: PeakEwma,
    addresses: Arc<[SocketAddress]>,
    addresses_version: u32,
    next_address: usize,
}

/// All of them.
pub struct Pools {
    core: usize,
    cores: usize,
    /// By slot.
    pub pools: Vec<LocalPool>,
    servers: Vec<Option<LocalServer>>,
    /// When the counts of recent requests were halved last.
    decayed_ms: i64,
    /// Servers that a check has found down, until [`Pools::take_found_down`].
    found_down: Vec<usize>,
}

/// How fast recent requests are forgotten.
const RECENT_HALF_LIFE_MS: i64 = 500;

impl Pools {
    /// Without any pool.
    #[must_use]
    pub fn new(core: usize, cores: usize) -> Self {
        Self {
            core,
            cores,
            pools: Vec::new(),
            servers: Vec::new(),
            decayed_ms: i64::MIN / 2,
            found_down: Vec::new(),
        }
    }

    /// Takes up a new configuration. Servers that stay keep what they have. Returns the idle connections
    /// of those that are gone.
    pub fn apply(&mut self, snapshot: &Snapshot, now_ms: i64) -> Vec<SocketId> {
        for server in self.servers.iter_mut().flatten() {
            server.place = None;
        }
        for (slot, shared) in snapshot.pools.iter().enumerate() {
            for (member, state) in shared.servers.iter().enumerate() {
                self.enter(state, &shared.config.servers[member], (slot, member));
            }
            let pool = LocalPool {
                shared: Rc::new(shared.clone()),
                availability: Availability::default(),
                candidates: vec![Candidate::default(); shared.servers.len()],
                balancer: shared.blueprint.balancer(self.core, self.cores),
                waiting: VecDeque::new(),
                is_growing: true,
                was_asked: true,
                uses_latency: shared.config.balance.algorithm == "peak-ewma",
            };
            match self.pools.get_mut(slot) {
                None => self.pools.push(pool),
                Some(old) if Arc::ptr_eq(old.shared.as_ref(), shared) => {}
                Some(old) => {
                    let waiting = std::mem::take(&mut old.waiting);
                    *old = LocalPool { waiting, ..pool };
                }
            }
        }
        let mut orphans = Vec::new();
        for server in self.servers.iter_mut().flatten().filter(|server| server.place.is_none()) {
            orphans.extend(server.idle.take_all());
        }
        self.forget_retired();
        self.refresh(now_ms);
        orphans
    }

    fn enter(&mut self, state: &Arc<ServerState>, config: &model::Server, place: (usize, usize)) {
        if self.servers.len() <= state.slot {
            self.servers.resize_with(state.slot + 1, || None);
        }
        match &mut self.servers[state.slot] {
            Some(server) => {
                assert!(Arc::ptr_eq(&server.state, state), "a slot is given to one server");
                server.place = Some(place);
                server.config = config.clone();
            }
            empty => {
                *empty = Some(LocalServer {
                    state: state.clone(),
                    config: config.clone(),
                    place: Some(place),
                    in_flight: 0,
                    was_down: false,
                    places: 0,
                    idle: Idle::new(state.clone(), self.core),
                    latency: PeakEwma::default(),
                    addresses: Arc::new([]),
                    addresses_version: 0,
                    next_address: self.core,
                });
            }
        }
    }

    /// Drops servers that are neither configured nor used.
    fn forget_retired(&mut self) {
        for place in &mut self.servers {
            if place.as_ref().is_some_and(|one| one.place.is_none() && one.in_flight == 0) {
                *place = None;
            }
        }
    }

    /// Looks at health and weights anew, after [`crate::state::Changes`] has counted up.
    pub fn refresh(&mut self, now_ms: i64) {
        for pool in &mut self.pools {
            let config = &pool.shared.config;
            let servers = pool.shared.servers.iter().zip(&config.servers);
            let facts: Vec<_> = servers.map(|(state, server)| facts(state, server)).collect();
            pool.availability.update(&facts, config.panic_percent);
            let is_panicking = pool.availability.mode == Mode::Panic;
            for state in &pool.shared.servers {
                let Some(Some(server)) = self.servers.get_mut(state.slot) else { continue };
                let is_down = state.checked() == Checked::Down;
                let was_down = std::mem::replace(&mut server.was_down, is_down);
                // In a panic checks are not believed, and it serves on.
                if is_down && !was_down && !is_panicking {
                    self.found_down.push(state.slot);
                }
            }
            // Every core finds the same; one of them says so.
            if pool.shared.state.is_panicking.swap(is_panicking, Relaxed) != is_panicking {
                let name = &pool.shared.state.name;
                match is_panicking {
                    true => {
                        tracing::warn!("pool {name}: too few servers are up, health is ignored")
                    }
                    false => tracing::info!("pool {name}: enough servers are up again"),
                }
            }
            for (candidate, allowed) in pool.candidates.iter_mut().zip(&pool.availability.uses) {
                candidate.usable = *allowed == Use::Everything;
            }
            pool.is_growing = true;
        }
        self.fold(now_ms);
    }

    /// The servers that checks have found down since the last call.
    pub fn take_found_down(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.found_down)
    }

    /// Reads the loads that other cores have published, and lets weights grow.
    pub fn fold(&mut self, now_ms: i64) {
        let Self { core, cores, pools, servers, decayed_ms, .. } = self;
        let is_new_period = now_ms - *decayed_ms >= RECENT_HALF_LIFE_MS;
        if is_new_period {
            *decayed_ms = now_ms;
        }
        for pool in pools {
            if !std::mem::take(&mut pool.was_asked) && !pool.is_growing && !is_new_period {
                continue;
            }
            let slow_start_ms = pool.shared.config.slow_start_ms;
            let mut is_growing = false;
            for (state, candidate) in pool.shared.servers.iter().zip(&mut pool.candidates) {
                let Some(Some(server)) = servers.get_mut(state.slot) else { continue };
                candidate.in_flight = server.in_flight;
                if *cores > 1 {
                    let all = state.rows.sum(|row| row.in_flight.get());
                    let own = state.rows.of(*core).in_flight.get();
                    candidate.foreign = all.saturating_sub(own);
                }
                if pool.uses_latency {
                    candidate.latency_us = merged_latency(state, now_ms);
                }
                let limit = server.config.requests_max;
                candidate.is_full = limit > 0 && state.taken() >= limit;
                if is_new_period {
                    candidate.recent /= 2;
                }
                if pool.is_growing {
                    let weight = u16::try_from(state.weight()).unwrap_or(u16::MAX);
                    let recovered = Some(state.recovered_at_ms()).filter(|at| *at != i64::MIN);
                    candidate.weight = slow_start::weight(weight, recovered, now_ms, slow_start_ms);
                    is_growing |= slow_start::is_growing(recovered, now_ms, slow_start_ms);
                }
            }
            pool.is_growing = is_growing;
            pool.balancer.update(&pool.candidates);
        }
    }

    /// The server for a request with this hash that has tried some already.
    pub fn pick(&mut self, pool: usize, hash: u64, tried: &[u16], random: &mut Random) -> Pick {
        let pool = &mut self.pools[pool];
        pool.was_asked = true;
        let request = Request { candidates: &pool.candidates, tried, hash };
        match pool.balancer.pick(&request, random) {
            Some(member) => Pick::Server(pool.shared.servers[member].slot),
            None if pool.candidates.iter().any(|one| one.usable && one.is_full) => Pick::Full,
            None => Pick::Nobody,
        }
    }

    /// The server of this pool that a client's cookie names, if it may still be used: also one that
    /// drains.
    #[must_use]
    pub fn sticking(&self, pool: usize, cookie: &[u8]) -> Option<usize> {
        let pool = &self.pools[pool];
        let named = |server: &model::Server| server.cookie.as_bytes() == cookie;
        let member = pool.shared.config.servers.iter().position(named)?;
        let state = &pool.shared.servers[member];
        let may = pool.availability.uses.get(member).is_some_and(|one| *one != Use::Nothing);
        may.then_some(state.slot)
    }

    /// A request is given to a server; false when it is full after all.
    pub fn begin(&mut self, slot: usize) -> bool {
        let core = self.core;
        let Some(server) = self.servers[slot].as_mut() else { return false };
        let limit = server.config.requests_max;
        let has_place = limit == 0 || server.state.take_place(limit);
        if has_place {
            server.in_flight += 1;
            server.places += u32::from(limit > 0);
            let row = server.state.rows.of(core);
            row.in_flight.rise();
            row.requests.add(1);
        }
        let in_flight = server.in_flight;
        if let Some(candidate) = self.candidate(slot) {
            candidate.in_flight = in_flight;
            candidate.is_full = !has_place;
            candidate.recent += u32::from(has_place);
        }
        has_place
    }

    /// The request is over. Returns the pool whose waiting requests may go on, if the server has a limit.
    pub fn end(&mut self, slot: usize) -> Option<usize> {
        let core = self.core;
        let server = self.servers[slot].as_mut().expect("invariant: it was begun");
        server.in_flight -= 1;
        let (in_flight, is_limited) = (server.in_flight, server.config.requests_max > 0);
        server.state.rows.of(core).in_flight.fall();
        if server.places > 0 {
            server.places -= 1;
            server.state.give_place();
        }
        let place = server.place;
        if place.is_none() && in_flight == 0 && server.idle.is_empty() {
            self.servers[slot] = None;
        }
        if let Some(candidate) = self.candidate(slot) {
            candidate.in_flight = in_flight;
            candidate.is_full = false;
        }
        place.map(|(pool, _)| pool).filter(|_| is_limited)
    }

    /// A server has answered after so many microseconds.
    pub fn observe(&mut self, slot: usize, latency_us: u32, now_ms: i64) {
        self.learn(slot, |latency| latency.observe(latency_us, now_ms));
    }

    /// A server has not answered; see [`PeakEwma::observe_failure`].
    pub fn observe_failure(&mut self, slot: usize, timeout_us: u32, now_ms: i64) {
        self.learn(slot, |latency| latency.observe_failure(timeout_us, now_ms));
    }

    fn learn(&mut self, slot: usize, lesson: impl FnOnce(&mut PeakEwma)) {
        let core = self.core;
        let Some(Some(server)) = self.servers.get_mut(slot) else { return };
        lesson(&mut server.latency);
        let words = server.latency.words();
        for (word, place) in words.into_iter().zip(&server.state.rows.of(core).latency) {
            place.store(word, Relaxed);
        }
    }

    fn candidate(&mut self, slot: usize) -> Option<&mut Candidate> {
        let (pool, member) = self.servers[slot].as_ref()?.place?;
        self.pools[pool].candidates.get_mut(member)
    }

    /// The server of a slot, as long as it is configured or used.
    #[must_use]
    pub fn server(&mut self, slot: usize) -> Option<&mut LocalServer> {
        self.servers.get_mut(slot)?.as_mut()
    }

    /// The index of a server among those of its pool, for the list of those that were tried.
    #[must_use]
    pub fn member(&self, slot: usize) -> Option<u16> {
        let (_, member) = self.servers.get(slot)?.as_ref()?.place?;
        u16::try_from(member).ok()
    }
}

impl LocalServer {
    /// Where to connect to next: names with several addresses are used in turn.
    pub fn next_address(&mut self) -> Option<SocketAddress> {
        let version = self.state.resolved_version();
        if version != self.addresses_version {
            self.addresses_version = version;
            self.addresses = self.state.resolved();
        }
        if self.addresses.is_empty() {
            return None;
        }
        self.next_address = (self.next_address + 1) % self.addresses.len();
        Some(self.addresses[self.next_address].clone())
    }

    /// Whether a reload has dropped it.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.place.is_none()
    }
}

fn merged_latency(state: &ServerState, now_ms: i64) -> u32 {
    let of_row = |row: &ServerRow| {
        PeakEwma::from_words([row.latency[0].load(Relaxed), row.latency[1].load(Relaxed)])
    };
    latency::merge(state.rows.iter().map(of_row), now_ms)
}

fn facts(state: &ServerState, server: &model::Server) -> Facts {
    // A name that has never been resolved is no better than a server that fails its checks.
    let is_known = state.resolved_version() > 0;
    Facts {
        checked: if is_known { state.checked() } else { Checked::Down },
        is_ejected: state.is_ejected(),
        admin: state.admin(),
        weight: state.weight(),
        priority: server.priority,
    }
}
