//! One pass after the other, for as long as the limiter runs.
//!
//! Job: wait, hand out events, posts and verdicts, and tick. In: the ring's events, new snapshots. Out:
//! calls of the core. Invariant: a pass never waits but in the ring; a new snapshot is taken up before
//! any message that was sent by it.

use std::sync::atomic::Ordering;

use ringlet_runtime::ring::{Event, Wait};
use ringlet_runtime::{clock, cores};

use crate::core::Core;
use crate::desk::instant;
use crate::limits::{REPORT_PERIOD_MS, SWEEP_PERIOD_MS, TICK_BUSY_MS, TICK_IDLE_MS};
use crate::shared::lock;

/// What the loop remembers from pass to pass.
#[derive(Default)]
struct Progress {
    reported_ms: i64,
    swept_ms: i64,
    was_busy: bool,
    /// When the drain gives up waiting.
    drained_by_ms: Option<i64>,
    is_drained: bool,
}

/// Runs a core until the process ends.
pub async fn run(mut core: Core) {
    let mut events = Vec::new();
    let mut progress = Progress::default();
    loop {
        let may_sleep = core.inbox.prepare_sleep();
        let wait = if may_sleep { Wait::Block } else { Wait::Poll };
        if let Err(error) = core.ring.wait(&mut events, wait) {
            tracing::error!("the net ring of core {} failed: {error}", core.index);
            std::process::exit(1);
        }
        core.inbox.awake();
        core.read_clock();
        let ticked = core.pass(&mut events, &mut progress);
        if core.shared.is_stopping.load(Ordering::Acquire) && core.is_drained(&mut progress) {
            core.office.audit.finish(instant(core.now));
            core.write_report();
            return;
        }
        if ticked || cores::executor_wants_visit() {
            cores::yield_to_executor().await;
        }
    }
}

impl Core {
    fn read_clock(&mut self) {
        self.now = self.office.station.at(clock::monotonic_ns());
    }

    /// One pass; true when the tick has come.
    fn pass(&mut self, events: &mut Vec<Event>, progress: &mut Progress) -> bool {
        if self.generation != self.shared.generation() {
            self.generation = self.shared.generation();
            self.snapshot = self.shared.snapshot();
            self.apply_fronts();
            let Self { office, snapshot, .. } = self;
            office.counters.apply(office.station.rules(), &snapshot.rules);
            office.audit.is_on = snapshot.is_audited;
            office.station.apply(snapshot.rules.clone(), self.now.monotonic_ns);
        }
        while let Some(post) = self.inbox.receive() {
            progress.was_busy = true;
            self.office.station.on_post(post, self.now.monotonic_ns);
        }
        let mut ticked = false;
        for event in events.drain(..) {
            match event {
                Event::Tick => ticked = true,
                event => {
                    progress.was_busy |= !matches!(event, Event::Woken);
                    self.on_event(event);
                }
            }
        }
        self.exchange();
        if ticked {
            self.on_tick(progress);
        }
        ticked
    }

    /// Sends what the station has for others, and hands out what has come of it, until both rest.
    fn exchange(&mut self) {
        loop {
            let Self { office, mesh, ring, shared, rung, .. } = self;
            office.station.work(ring, self.now.monotonic_ns, |to, post| {
                let place = mesh.reserve(to);
                mesh.publish(place, post);
                if mesh.take_sleeper(to) {
                    rung.push(to);
                }
            });
            for bell in rung.drain(..).filter_map(|core| shared.bells[core].get()) {
                ring.wake(bell);
            }
            let finished = office.station.take_finished();
            if finished.is_empty() {
                break;
            }
            for (ticket, verdict) in finished {
                self.on_verdict(ticket, &verdict);
            }
        }
        // A core that was idle must not sleep over the deadline of what it has just asked the store.
        if self.ring.tick_ms() != TICK_BUSY_MS && self.office.station.needs_ticks() {
            self.ring.set_tick_ms(TICK_BUSY_MS);
        }
    }

    fn on_tick(&mut self, progress: &mut Progress) {
        let now_ms = self.now_ms();
        self.shared.ticked_ms[self.index].store(now_ms, Ordering::Relaxed);
        let is_busy = std::mem::take(&mut progress.was_busy) || self.office.station.needs_ticks();
        let tick_ms = if is_busy { TICK_BUSY_MS } else { TICK_IDLE_MS };
        if self.ring.tick_ms() != tick_ms {
            self.ring.set_tick_ms(tick_ms);
        }
        self.office.audit.on_tick(instant(self.now));
        // At full quarters of a second: what is written down each second then is of one second.
        if now_ms / REPORT_PERIOD_MS != progress.reported_ms / REPORT_PERIOD_MS {
            progress.reported_ms = now_ms;
            self.write_report();
        }
        if now_ms - progress.swept_ms >= SWEEP_PERIOD_MS {
            progress.swept_ms = now_ms;
            self.sweep();
        }
    }

    fn write_report(&mut self) {
        let Self { office, shared, index, .. } = self;
        office.counters.watch(&shared.watched());
        let report = &mut office.counters.report;
        report.engine = office.station.counters();
        report.store = office.station.store();
        report.top = office.counters.top.list();
        report.rule_set = Some(office.station.rules().clone());
        report.audit_lost = office.audit.lost();
        report.audit_left_out = office.audit.left_out();
        lock(&shared.reports[*index]).clone_from(report);
    }

    /// Drives the orderly end; true when this core may end.
    fn is_drained(&mut self, progress: &mut Progress) -> bool {
        if !self.is_draining {
            self.is_draining = true;
            for listener in &self.listeners {
                self.ring.stop_listening(listener.id);
            }
            self.ring.set_tick_ms(TICK_BUSY_MS);
            self.drain_connections();
        }
        let by_ms =
            *progress.drained_by_ms.get_or_insert(self.now_ms() + self.shared.drain_timeout_ms);
        let is_over = self.now_ms() >= by_ms;
        if is_over {
            self.close_all();
        }
        let is_waiting_for_others =
            progress.is_drained && self.shared.draining.load(Ordering::Acquire) > 0;
        if is_over {
            self.office.station.shut_down(self.now.monotonic_ns);
            self.exchange();
        } else if self.connection_count > 0 || is_waiting_for_others || !self.gives_back_all() {
            return false;
        }
        // What this core has borrowed has come back to its owners by now.
        if !std::mem::replace(&mut progress.is_drained, true) {
            self.shared.draining.fetch_sub(1, Ordering::AcqRel);
        }
        // Until then other cores may ask, and give back what they have borrowed.
        self.shared.draining.load(Ordering::Acquire) == 0
    }

    /// Gives back what is held; true when there is nothing left and all has arrived where it belongs.
    fn gives_back_all(&mut self) -> bool {
        if !self.office.station.is_settled() {
            return false;
        }
        self.office.station.shut_down(self.now.monotonic_ns);
        self.exchange();
        self.office.station.is_settled()
    }
}
