//! Core loop: one pass after the other, for as long as the server runs.
//! In: events of the net ring, messages of the mesh, timers. Out: work handed on, replies sent.
//! Invariant: a pass never waits but in the ring; what is left over is taken up in the next pass.

use std::sync::atomic::Ordering;

use ringlet_runtime::cores;
use ringlet_runtime::memory;
use ringlet_runtime::ring::{Event, Wait};

use crate::core::{Core, Timer};
use crate::limits::{
    EXPIRE_WORK_PER_PASS, FREE_WORK_PER_PASS, PURGE_PERIOD_MS, SHUTDOWN_GRACE_MS, TICK_BUSY_MS,
    TICK_IDLE_MS,
};

/// What the loop remembers from pass to pass.
#[derive(Default)]
struct Progress {
    /// Something is left to do right away.
    has_work: bool,
    /// Monotonic clock, milliseconds, when the shutdown gives up waiting for clients.
    deadline_ms: Option<i64>,
    /// This core has told the others that its clients are gone.
    is_drained: bool,
    /// Passes without an event since the last tick, to slow the tick down when idle.
    was_idle: bool,
}

/// Runs a core until the server stops.
pub async fn run(mut core: Core) {
    let mut events = Vec::new();
    let mut expired = Vec::new();
    let mut progress = Progress::default();
    loop {
        let wait = core.choose_wait(&progress);
        if let Err(error) = core.ring.wait(&mut events, wait) {
            tracing::error!("the net ring of core {} failed: {error}", core.index);
            std::process::exit(1);
        }
        core.inbox.awake();
        core.reply_inbox.awake();
        let started = core.ticks.now();
        core.read_clock();
        let ticked = core.pass(&mut events, &mut expired, &mut progress);
        core.note_pass(started);
        if core.shared.is_stopping.load(Ordering::Acquire) && core.is_stopped(&mut progress) {
            return;
        }
        if ticked || cores::executor_wants_visit() {
            cores::yield_to_executor().await;
        }
    }
}

impl Core {
    /// Blocks only when nothing is left to do and nobody has sent anything since it was looked at.
    fn choose_wait(&mut self, progress: &Progress) -> Wait {
        let may_sleep =
            !progress.has_work && self.inbox.prepare_sleep() && self.reply_inbox.prepare_sleep();
        if may_sleep { Wait::Block } else { Wait::Poll }
    }

    /// One pass; true when the tick has come.
    fn pass(
        &mut self,
        events: &mut Vec<Event>,
        expired: &mut Vec<Timer>,
        progress: &mut Progress,
    ) -> bool {
        let mut ticked = false;
        let had_events = events.iter().any(|event| !matches!(event, Event::Tick));
        // Requests first: what other cores have placed in the queue is before what is read now.
        let mut has_work = self.take_requests();
        for event in events.drain(..) {
            if matches!(event, Event::Tick) {
                ticked = true;
            } else {
                self.on_event(event);
            }
        }
        self.timers.advance(self.monotonic_ms, expired);
        for timer in expired.drain(..) {
            match timer {
                Timer::Wait(id) => self.time_out(id),
            }
        }
        self.take_replies();
        self.retry_stalled();
        self.dispatch();
        self.publish_replies();
        self.send_output();
        has_work |= !self.clients.lists.retry.is_empty() || self.batches.has_admitted();
        has_work |= self.batches.ready().next().is_some();
        has_work |= (0..self.cores).any(|core| self.outbox.has_for(core));
        has_work |= !self.clients.lists.dirty.is_empty();
        has_work |= !self.resubmissions.is_empty() && self.batches.are_all_open();
        has_work |= self.work_in_background();
        if ticked {
            self.on_tick(had_events || has_work || !progress.was_idle);
            progress.was_idle = true;
        }
        if had_events {
            progress.was_idle = false;
        }
        progress.has_work = has_work;
        ticked
    }

    /// Expires and frees a slice; true when there is more.
    fn work_in_background(&mut self) -> bool {
        let mut more = false;
        if self.expire_due || self.shard.keyspace.has_expiry_backlog {
            self.expire_due = false;
            let started = self.ticks.now();
            more |= self.shard.keyspace.expire_slice(self.now_ms, EXPIRE_WORK_PER_PASS);
            self.statistics.expire_ticks += self.ticks.since(started);
            self.shard.keyspace.has_expiry_backlog = more;
        }
        more | self.shard.keyspace.graveyard.free_some(FREE_WORK_PER_PASS)
    }

    fn on_tick(&mut self, is_busy: bool) {
        let needs_time = is_busy || self.pause.is_some() || !self.timers.is_empty();
        let tick_ms = if needs_time { TICK_BUSY_MS } else { TICK_IDLE_MS };
        if self.ring.tick_ms() != tick_ms {
            self.ring.set_tick_ms(tick_ms);
        }
        self.expire_due = true;
        self.statistics.sample(self.monotonic_ms);
        self.check_clients();
        self.publish_gauges();
        if !is_busy && self.monotonic_ms >= self.next_purge_ms {
            // What was freed goes back to the system while nobody waits.
            self.next_purge_ms = self.monotonic_ms + PURGE_PERIOD_MS;
            memory::purge(false);
        }
    }

    fn note_pass(&mut self, started: u64) {
        let took_us = self.ticks.to_microseconds(self.ticks.since(started));
        self.statistics.passes += 1;
        self.statistics.pass_us_max = self.statistics.pass_us_max.max(took_us);
    }

    /// Drives the orderly shutdown; true when this core may end.
    fn is_stopped(&mut self, progress: &mut Progress) -> bool {
        let deadline_ms = match progress.deadline_ms {
            Some(deadline_ms) => deadline_ms,
            None => {
                self.stop_listening();
                self.ring.set_tick_ms(TICK_BUSY_MS);
                *progress.deadline_ms.insert(self.monotonic_ms + SHUTDOWN_GRACE_MS)
            }
        };
        self.end_all_clients(self.monotonic_ms >= deadline_ms);
        if !progress.is_drained && self.clients.is_empty() {
            progress.is_drained = true;
            self.shared.draining.fetch_sub(1, Ordering::AcqRel);
        }
        // The others may still need this core's keys until all are drained.
        progress.is_drained && self.shared.draining.load(Ordering::Acquire) == 0
    }
}
