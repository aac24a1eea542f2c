//! The ejections that one core decides about.
//!
//! Job: poll each pool's ejector when it is due, and make what it says known. In: snapshots, counters of
//! servers, alarms. Out: changed server states, timers.
//! Invariant: one core writes the flags of a pool; a pool without ejection has no server that is ejected.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ringlet_runtime::timers::{TimerId, TimerWheel};

use super::{Context, Due, report};
use crate::health::ejection::{Change, Ejector, Facts};
use crate::health::owner::owner;
use crate::model::AdminState;
use crate::snapshot::PoolShared;
use crate::state::{Checked, ServerState};

/// All of a core.
pub struct Ejections {
    core: usize,
    cores: Vec<usize>,
    /// By the slots of pools.
    pools: Vec<Option<PoolEjection>>,
    changes: Vec<Change>,
}

struct PoolEjection {
    pool: Arc<PoolShared>,
    ejector: Ejector,
    timer: Option<TimerId>,
}

impl Ejections {
    /// Before the first configuration.
    #[must_use]
    pub fn new(core: usize, cores: usize) -> Self {
        Self { core, cores: (0..cores).collect(), pools: Vec::new(), changes: Vec::new() }
    }

    /// Takes up a new configuration: ejections of servers that stay last as long as they were meant to.
    pub fn take_up(&mut self, context: &mut Context<'_>) {
        let Context { snapshot, shared, timers, now_ms, .. } = context;
        let now_ms = *now_ms;
        self.pools.resize_with(snapshot.pools.len(), || None);
        for (slot, (pool, place)) in snapshot.pools.iter().zip(&mut self.pools).enumerate() {
            if owner(pool.state.name.as_str(), &self.cores) != Some(self.core) {
                continue;
            }
            let ejection = pool.config.ejection.clone().filter(|_| !pool.servers.is_empty());
            match (&mut *place, ejection) {
                (Some(known), Some(_)) if Arc::ptr_eq(&known.pool, pool) => {}
                (Some(known), Some(ejection)) => {
                    let place_of = |server: &Arc<ServerState>| {
                        known.pool.servers.iter().position(|one| Arc::ptr_eq(one, server))
                    };
                    let places: Vec<_> = pool.servers.iter().map(place_of).collect();
                    known.ejector.reconfigure(ejection, &places, now_ms);
                    known.pool = pool.clone();
                    known.arm(slot, timers);
                }
                (None, Some(ejection)) => {
                    let ejector = Ejector::new(ejection, pool.servers.len(), now_ms);
                    let mut new = PoolEjection { pool: pool.clone(), ejector, timer: None };
                    new.arm(slot, timers);
                    *place = Some(new);
                    pool.state.ejection_watch.set_owner(self.core);
                }
                (Some(known), None) => {
                    known.disarm(timers);
                    *place = None;
                    for server in pool.servers.iter().filter(|server| server.is_ejected()) {
                        server.set_ejected(false, now_ms, "");
                        shared.note_change();
                    }
                }
                (None, None) => {}
            }
        }
    }

    /// Pools for which somebody has asked to be looked at.
    pub fn raised(&self) -> Vec<usize> {
        let is_raised = |known: &PoolEjection| known.pool.state.ejection_watch.take();
        let pools = self.pools.iter().enumerate();
        let raised = pools.filter(|(_, known)| known.as_ref().is_some_and(is_raised));
        raised.map(|(slot, _)| slot).collect()
    }

    /// Looks at a pool.
    pub fn poll(&mut self, slot: usize, context: &mut Context<'_>) {
        let Context { shared, timers, now_ms, .. } = context;
        let now_ms = *now_ms;
        let Some(Some(known)) = self.pools.get_mut(slot) else { return };
        let facts: Vec<Facts> = known.pool.servers.iter().map(|server| facts(server)).collect();
        known.ejector.poll(now_ms, &facts, &mut self.changes);
        for change in self.changes.drain(..) {
            match change {
                Change::Eject { server, until_ms, reason } => {
                    let state = &known.pool.servers[server];
                    state.set_ejected(true, now_ms, &reason.to_string());
                    shared.note_change();
                    report::ejected(&known.pool, state, &reason, until_ms - now_ms);
                    // It may be down: that is worth more than what requests say.
                    shared.alarm(&state.check_watch);
                }
                Change::Return { server, by_check } => {
                    let state = &known.pool.servers[server];
                    state.set_ejected(false, now_ms, "");
                    shared.note_change();
                    report::returned(&known.pool, state, by_check);
                }
            }
        }
        known.arm(slot, timers);
    }
}

impl PoolEjection {
    fn arm(&mut self, slot: usize, timers: &mut TimerWheel<Due>) {
        self.disarm(timers);
        let due_ms = self.ejector.next_poll_ms();
        self.timer = Some(timers.insert(due_ms, Due::Ejection(slot)));
    }

    /// Also after the timer has fired: then it is void.
    fn disarm(&mut self, timers: &mut TimerWheel<Due>) {
        if let Some(timer) = self.timer.take() {
            timers.cancel(timer);
        }
    }
}

fn facts(server: &ServerState) -> Facts {
    Facts {
        successes: server.rows.sum(|row| row.successes.get()),
        failures: server.rows.sum(|row| row.failures.get()),
        consecutive_failures: server.consecutive_failures(),
        can_serve: server.admin() == AdminState::Ready
            && server.weight() > 0
            && server.checked() != Checked::Down
            && server.resolved_version() > 0,
        check_passed_ms: server.check_passed_ms.load(Relaxed),
        recovered_ms: server.recovered_at_ms(),
    }
}
