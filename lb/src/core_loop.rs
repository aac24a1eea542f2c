//! One pass after the other, for as long as the balancer runs.
//!
//! Job: wait, hand out events, timers and changes, and sweep what has grown old. In: the ring's events,
//! new snapshots. Out: calls of the core. Invariant: a pass never waits but in the ring.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use ringlet_runtime::clock;
use ringlet_runtime::cores;
use ringlet_runtime::ring::{Event, SocketId, Wait};

use crate::client::{Client, Phase};
use crate::core::{Core, LocalListener};
use crate::limits::{FOREIGN_LOAD_PERIOD_US, IDLE_SWEEP_PERIOD_MS, TICK_BUSY_MS, TICK_IDLE_MS};
use crate::rate_limit::Settling;
use crate::snapshot::Snapshot;

/// What the loop remembers from pass to pass.
#[derive(Default)]
struct Progress {
    /// The changes of servers that have been taken up.
    changes: u64,
    folded_us: u64,
    swept_ms: i64,
    was_busy: bool,
    /// When the drain gives up waiting.
    drained_by_ms: Option<i64>,
    is_drained: bool,
    settling: Settling,
}

/// Runs a core until the process ends.
pub async fn run(mut core: Core) {
    let mut events = Vec::new();
    let mut expired = Vec::new();
    let mut progress = Progress::default();
    core.take_up_snapshot(true);
    loop {
        let has_work = !core.runnable.is_empty() || core.limits_have_work();
        let may_sleep = !has_work && core.inbox.prepare_sleep();
        let wait = if may_sleep { Wait::Block } else { Wait::Poll };
        if let Err(error) = core.ring.wait(&mut events, wait) {
            tracing::error!("the net ring of core {} failed: {error}", core.index);
            std::process::exit(1);
        }
        core.inbox.awake();
        core.now_us = clock::monotonic_us() as u64;
        core.now_ms = (core.now_us / 1000) as i64;
        let ticked = core.pass(&mut events, &mut expired, &mut progress);
        if core.shared.is_stopping.load(Ordering::Acquire) && core.is_drained(&mut progress) {
            core.log.buffers.hand_over();
            return;
        }
        if ticked || cores::executor_wants_visit() {
            cores::yield_to_executor().await;
        }
    }
}

impl Core {
    /// One pass; true when the tick has come.
    fn pass(
        &mut self,
        events: &mut Vec<Event>,
        expired: &mut Vec<SocketId>,
        progress: &mut Progress,
    ) -> bool {
        self.keep_up();
        let changes = self.shared.changes.get();
        if changes != progress.changes {
            progress.changes = changes;
            self.pools.refresh(self.now_ms);
            let snapshot = self.snapshot.clone();
            self.refresh_checks(&snapshot);
            self.leave_servers_found_down();
            self.serve_all_waiting();
        } else if self.now_us - progress.folded_us >= FOREIGN_LOAD_PERIOD_US {
            progress.folded_us = self.now_us;
            self.pools.fold(self.now_ms);
        }
        self.take_mail();
        self.withdraw_ending(events);
        let mut ticked = false;
        for event in events.drain(..) {
            match event {
                Event::Tick => ticked = true,
                event => {
                    progress.was_busy |= !matches!(event, Event::Woken);
                    self.on_event(event);
                    self.serve_ready_pools();
                }
            }
        }
        self.timers.advance(self.now_ms, expired);
        for socket in expired.drain(..) {
            self.on_timer(socket);
            self.serve_ready_pools();
        }
        self.watch_servers();
        // Those that come anew are for the next pass.
        for _ in 0..self.runnable.len() {
            let Some(socket) = self.runnable.pop_front() else { break };
            let Some(mut client) = self.clients.take(socket) else { continue };
            if !client.line.is_closing && client.phase == Phase::Idle {
                self.on_client_bytes(&mut client);
            }
            self.clients.put(client);
        }
        self.work_limits();
        if ticked {
            self.on_tick(progress);
        }
        ticked
    }

    /// Idle connections that have ended, or spoken unasked, serve no request of the same batch.
    fn withdraw_ending(&mut self, events: &[Event]) {
        for event in events {
            let (Event::Received { socket, .. } | Event::ReceiveEnded { socket, .. }) = event
            else {
                continue;
            };
            let idle = self.upstreams.get(*socket).filter(|upstream| upstream.client.is_none());
            if let Some(upstream) = idle
                && let Some(local) = self.pools.server(upstream.server.slot)
            {
                local.idle.remove(*socket);
            }
        }
    }

    fn on_tick(&mut self, progress: &mut Progress) {
        self.shared.ticked_ms[self.index].store(self.now_ms, Ordering::Relaxed);
        let needs_time = std::mem::take(&mut progress.was_busy)
            || !self.timers.is_empty()
            || self.limits_need_time()
            || self.watcher.is_due_soon(self.now_ms);
        let tick_ms = if needs_time { TICK_BUSY_MS } else { TICK_IDLE_MS };
        if self.ring.tick_ms() != tick_ms {
            self.ring.set_tick_ms(tick_ms);
        }
        // Places that other cores have given back.
        self.serve_all_waiting();
        self.log.buffers.on_tick();
        if self.now_ms - progress.swept_ms >= IDLE_SWEEP_PERIOD_MS {
            progress.swept_ms = self.now_ms;
            self.sweep_idle();
        }
    }

    fn serve_ready_pools(&mut self) {
        while let Some(pool) = self.ready_pools.pop() {
            self.serve_waiting(pool);
        }
    }

    fn serve_all_waiting(&mut self) {
        for pool in 0..self.pools.pools.len() {
            if !self.pools.pools[pool].waiting.is_empty() {
                self.serve_waiting(pool);
            }
        }
    }

    /// Goes over to the present snapshot, if that is another one.
    pub fn keep_up(&mut self) {
        if self.snapshot.generation != self.shared.published.generation() {
            self.take_up_snapshot(false);
        }
    }

    /// Takes up the present snapshot while no client is in hand.
    fn take_up_snapshot(&mut self, is_first: bool) {
        let snapshot = self.shared.published.get();
        self.take_up_rules(&snapshot);
        self.take_up_checks(&snapshot);
        let orphans = self.pools.apply(&snapshot, self.now_ms);
        for socket in orphans {
            if let Some(mut upstream) = self.upstreams.take(socket) {
                upstream.line.close(&mut self.ring, &mut self.spares);
                self.upstreams.put(upstream);
            }
        }
        if let Err(error) = self.update_listeners(&snapshot) {
            tracing::error!("core {} cannot listen: {error}", self.index);
            if is_first {
                std::process::exit(1);
            }
        }
        self.snapshot = snapshot;
    }

    fn update_listeners(&mut self, snapshot: &Snapshot) -> std::io::Result<()> {
        if self.is_draining {
            return Ok(());
        }
        let mut wanted = Vec::new();
        for listener in &snapshot.listeners {
            wanted.extend(listener.sockets.iter().map(|sockets| (sockets, listener)));
        }
        for local in &mut self.listeners {
            let stays = wanted.iter().any(|(sockets, _)| sockets.number == local.number);
            if !stays && !local.is_ending {
                local.is_ending = true;
                self.ring.stop_listening(local.id);
            }
        }
        for (sockets, listener) in wanted {
            let known = self.listeners.iter_mut().find(|local| local.number == sockets.number);
            if let Some(known) = known {
                known.shared = Rc::new(listener.clone());
            } else if let Some(descriptor) = sockets.take(self.index) {
                let id = self.ring.listen(descriptor)?;
                let shared = Rc::new(listener.clone());
                let number = sockets.number;
                self.listeners.push(LocalListener { id, number, is_ending: false, shared });
            }
        }
        Ok(())
    }

    /// Closes idle connections that have waited or lived too long.
    fn sweep_idle(&mut self) {
        let mut old = Vec::new();
        for pool in &self.snapshot.pools {
            let limits = pool.config.idle;
            for state in &pool.servers {
                let Some(server) = self.pools.server(state.slot) else { continue };
                let is_old = |socket: &&SocketId| {
                    self.upstreams.get(**socket).is_none_or(|upstream| {
                        self.now_ms - upstream.idle_since_ms > i64::from(limits.timeout_ms)
                            || self.now_ms - upstream.created_ms > i64::from(limits.lifetime_ms)
                    })
                };
                old.extend(server.idle.iter().filter(is_old).copied());
            }
        }
        for socket in old {
            if let Some(mut upstream) = self.upstreams.take(socket) {
                self.drop_idle(&mut upstream);
                self.upstreams.put(upstream);
            }
        }
    }

    /// Drives the orderly end; true when this core may end.
    fn is_drained(&mut self, progress: &mut Progress) -> bool {
        if !self.is_draining {
            self.is_draining = true;
            for listener in &mut self.listeners {
                listener.is_ending = true;
                self.ring.stop_listening(listener.id);
            }
            self.ring.set_tick_ms(TICK_BUSY_MS);
            self.close_silent_clients();
        }
        let drain_ms = i64::from(self.snapshot.global.drain_timeout_ms);
        let by_ms = *progress.drained_by_ms.get_or_insert(self.now_ms + drain_ms);
        // Who still waits in a listener's queue is served as well.
        let is_quiet = self.client_count == 0 && self.listeners.is_empty();
        if !progress.is_drained && (is_quiet || self.now_ms >= by_ms) {
            progress.is_drained = true;
            self.cut_off_exchanges();
            self.shared.draining.fetch_sub(1, Ordering::AcqRel);
        }
        progress.is_drained && self.are_limits_settled(&mut progress.settling, by_ms)
    }

    /// What still goes on ends with the process.
    fn cut_off_exchanges(&mut self) {
        let has_exchange = |client: &&Client| client.exchange.is_some();
        let sockets: Vec<SocketId> =
            self.clients.iter().filter(has_exchange).map(|client| client.line.socket).collect();
        for socket in sockets {
            if let Some(mut client) = self.clients.take(socket) {
                self.abort(&mut client, "the balancer ended");
                self.clients.put(client);
            }
        }
    }

    fn close_silent_clients(&mut self) {
        let is_silent = |phase| matches!(phase, Phase::Idle | Phase::Proxy);
        let silent: Vec<SocketId> = self
            .clients
            .iter()
            .filter(|client| is_silent(client.phase) && !client.line.is_closing)
            .map(|client| client.line.socket)
            .collect();
        for socket in silent {
            if let Some(mut client) = self.clients.take(socket) {
                self.close_when_flushed(&mut client);
                self.clients.put(client);
            }
        }
    }
}
