//! The active checks of one core: whom each is for, how it stands, when it is due.
//!
//! Job: keep a check from configuration to configuration, pause it for maintenance, and make its results
//! known. In: snapshots, results, changes of servers, alarms. Out: changed server states, timers, probes
//! to give up.
//! Invariant: a check has one timer unless it is paused: for its next start, or for the deadline of the
//! probe that runs; a check keeps its place in the table for as long as its key is configured.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ringlet_runtime::ring::{SocketAddress, SocketId};
use ringlet_runtime::timers::{TimerId, TimerWheel};

use super::{Context, Due, report};
use crate::health::check::CheckState;
use crate::health::owner::{CheckKey, owned_checks};
use crate::model::AdminState;
use crate::state::{Checked, ServerState};

/// All of a core.
pub struct Checks {
    core: usize,
    cores: Vec<usize>,
    table: Vec<Option<ActiveCheck>>,
}

/// One check.
pub struct ActiveCheck {
    /// What it is.
    pub key: CheckKey,
    /// When it is due, and what its results mean.
    pub state: CheckState,
    /// The connection of the probe that runs.
    pub probe: Option<SocketId>,
    servers: Vec<Arc<ServerState>>,
    /// Why it has failed last.
    reason: String,
    /// All its servers are in maintenance.
    is_paused: bool,
    timer: Option<TimerId>,
    probes: usize,
}

impl Checks {
    /// Before the first configuration.
    #[must_use]
    pub fn new(core: usize, cores: usize) -> Self {
        Self { core, cores: (0..cores).collect(), table: Vec::new() }
    }

    /// The check at a place of the table.
    pub fn get(&mut self, place: usize) -> Option<&mut ActiveCheck> {
        self.table.get_mut(place)?.as_mut()
    }

    /// Takes up a new configuration: checks that it names too go on as they are. Returns the connections
    /// of probes that nobody waits for any more.
    pub fn take_up(&mut self, context: &mut Context<'_>) -> Vec<SocketId> {
        let snapshot = context.snapshot;
        let configs = snapshot.pools.iter().map(|pool| &pool.config);
        let mut wanted = HashMap::new();
        for owned in owned_checks(configs, self.core, &self.cores) {
            let states = owned.servers.iter();
            let states = states.map(|&(pool, server)| snapshot.pools[pool].servers[server].clone());
            wanted.insert(owned.key, states.collect::<Vec<_>>());
        }
        let (mut orphans, mut left) = (Vec::new(), Vec::new());
        for place in &mut self.table {
            let Some(check) = place else { continue };
            match wanted.remove(&check.key) {
                Some(servers) => check.servers = servers,
                None => {
                    check.disarm(context.timers);
                    orphans.extend(check.probe);
                    left.append(&mut check.servers);
                    *place = None;
                }
            }
        }
        let mut places = 0..;
        for (key, servers) in wanted {
            let state = CheckState::new(&key.check, context.now_ms, context.random);
            let mut is_free = |&place: &usize| self.table.get(place).is_none_or(Option::is_none);
            let Some(place) = places.find(&mut is_free) else { break };
            let mut check = ActiveCheck {
                key,
                state,
                servers,
                probe: None,
                reason: String::new(),
                is_paused: false,
                timer: None,
                probes: self.core,
            };
            check.arm(place, context.timers);
            if place == self.table.len() {
                self.table.push(None);
            }
            self.table[place] = Some(check);
        }
        for server in self.table.iter().flatten().flat_map(|check| &check.servers) {
            server.check_watch.set_owner(self.core);
        }
        forget_unchecked(&left, context);
        orphans
    }

    /// After a change of servers: a check pauses while all its servers are in maintenance, and starts
    /// anew when the first one comes back. As in [`Self::take_up`] for what it returns.
    pub fn refresh(&mut self, context: &mut Context<'_>) -> Vec<SocketId> {
        let mut orphans = Vec::new();
        for (place, check) in self.table.iter_mut().enumerate() {
            let Some(check) = check else { continue };
            let is_wanted = check.servers_checked().next().is_some();
            if check.is_paused == is_wanted {
                check.is_paused = !is_wanted;
                check.state.restart(context.now_ms, context.random);
                orphans.extend(check.probe.take());
                check.arm(place, context.timers);
                for server in check.servers_checked() {
                    server.set_checked(Checked::Unknown, context.now_ms, "");
                    context.shared.note_change();
                }
            }
            check.publish(context);
        }
        orphans
    }

    /// Hurries the checks of servers for which somebody has asked for that.
    pub fn hurry(&mut self, timers: &mut TimerWheel<Due>, now_ms: i64) {
        for (place, check) in self.table.iter_mut().enumerate() {
            let Some(check) = check else { continue };
            // Each must be asked, or the next alarm for it would ring nobody.
            let raised = check.servers.iter().filter(|server| server.check_watch.take()).count();
            if raised > 0 {
                check.state.hurry(now_ms);
                check.arm(place, timers);
            }
        }
    }

    /// A probe has ended.
    pub fn on_result(
        &mut self,
        place: usize,
        result: Result<(), String>,
        context: &mut Context<'_>,
    ) {
        let Some(check) = self.get(place) else { return };
        let has_passed = result.is_ok();
        check.probe = None;
        let started_ms = check.state.started_ms();
        if let Err(reason) = result {
            check.reason = reason;
        }
        check.state.on_result(context.now_ms, has_passed, context.random);
        check.arm(place, context.timers);
        check.publish(context);
        if has_passed {
            for server in check.servers_checked() {
                server.check_passed_ms.store(started_ms, Relaxed);
                // A check may bring back what requests have ejected.
                let pool = report::pool_of(context.snapshot, server);
                if let Some(pool) = pool.filter(|_| server.is_ejected()) {
                    context.shared.alarm(&pool.state.ejection_watch);
                }
            }
        }
    }
}

/// Servers that have lost their check count as if they never had one. The core that made the check says
/// so, and no other core can contradict it, as nobody makes one now.
fn forget_unchecked(left: &[Arc<ServerState>], context: &Context<'_>) {
    for pool in &context.snapshot.pools {
        for (state, server) in pool.servers.iter().zip(&pool.config.servers) {
            let is_forgotten = state.checked() != Checked::Unknown
                && left.iter().any(|one| Arc::ptr_eq(one, state))
                && CheckKey::of(&pool.config, server).is_none();
            if is_forgotten {
                state.set_checked(Checked::Unknown, context.now_ms, "");
                context.shared.note_change();
            }
        }
    }
}

impl ActiveCheck {
    /// Those whom the result is for.
    pub fn servers_checked(&self) -> impl Iterator<Item = &Arc<ServerState>> {
        self.servers.iter().filter(|server| server.admin() != AdminState::Maintenance)
    }

    /// Where the next probe goes: the addresses of a name are used in turn, as by requests.
    pub fn next_address(&mut self) -> Option<SocketAddress> {
        let addresses = self.servers_checked().next()?.resolved();
        self.probes = self.probes.wrapping_add(1);
        let mut address = addresses.get(self.probes.checked_rem(addresses.len())?)?.clone();
        if let (Some(port), SocketAddress::Ip(ip)) = (self.key.check.port, &mut address) {
            ip.set_port(port);
        }
        Some(address)
    }

    /// Sets the timer for what comes next.
    pub fn arm(&mut self, place: usize, timers: &mut TimerWheel<Due>) {
        self.disarm(timers);
        if !self.is_paused {
            let due_ms = self.state.deadline_ms().or(self.state.next_check_ms());
            self.timer = due_ms.map(|due_ms| timers.insert(due_ms, Due::Check(place)));
        }
    }

    /// Also after the timer has fired: then it is void.
    fn disarm(&mut self, timers: &mut TimerWheel<Due>) {
        if let Some(timer) = self.timer.take() {
            timers.cancel(timer);
        }
    }

    /// Makes its servers what it says they are. Before the first result they stay what they were, so that
    /// a check whose options have changed does not send requests to a dead server.
    fn publish(&self, context: &Context<'_>) {
        let checked = self.state.checked();
        if checked == Checked::Unknown {
            return;
        }
        let reason = if checked == Checked::Down { self.reason.as_str() } else { "" };
        for server in self.servers_checked() {
            let before = server.checked();
            // Also what is down already, as it may be so for another reason now.
            server.set_checked(checked, context.now_ms, reason);
            if before != checked {
                context.shared.note_change();
                report::checked(context.snapshot, server, before);
            }
        }
    }
}
