//! The tick: one multishot timeout entry in the ring.
//!
//! Job: wake the core every few milliseconds without a timeout argument per wait.
//! In: the period. Out: `Event::Tick`.
//! Invariant: at most one timeout of the current generation is armed; older ones are silent, and
//! end.

use io_uring::{opcode, types};

use super::operation::Operation;
use super::queue::Completion;
use super::{Event, NetRing};

pub(super) struct Tick {
    period_ms: u32,
    /// The kernel reads it when the entry is submitted, hence an address that stays.
    period: Box<types::Timespec>,
    generation: u32,
    /// Linux 6.4 and later repeat a timeout by themselves.
    multishot: bool,
}

impl Tick {
    pub(super) fn new(period_ms: u32) -> Self {
        let period_ms = period_ms.max(1);
        Self { period_ms, period: Box::new(timespec(period_ms)), generation: 0, multishot: true }
    }

    /// Leaves the memory to the kernel for good.
    pub(super) fn leak(&mut self) {
        std::mem::forget(std::mem::replace(&mut self.period, Box::new(timespec(1))));
    }
}

fn timespec(period_ms: u32) -> types::Timespec {
    types::Timespec::new().sec(u64::from(period_ms / 1000)).nsec(period_ms % 1000 * 1_000_000)
}

impl NetRing {
    /// Sets the period of the tick, at least 1 ms. An idle core should tick slowly.
    pub fn set_tick_ms(&mut self, period_ms: u32) {
        let period_ms = period_ms.max(1);
        if period_ms == self.tick.period_ms {
            return;
        }
        // An entry that names the period may still wait to be submitted, and would be read then:
        // the new generation makes its ticks silent, so only the new value matters to anybody.
        self.remove_tick(self.tick.generation);
        self.tick.generation = self.tick.generation.wrapping_add(1);
        self.tick.period_ms = period_ms;
        *self.tick.period = timespec(period_ms);
        self.arm_tick();
    }

    /// Milliseconds from tick to tick.
    pub fn tick_ms(&self) -> u32 {
        self.tick.period_ms
    }

    /// Whether the kernel repeats the timeout by itself.
    pub(crate) fn tick_repeats(&self) -> bool {
        self.tick.multishot
    }

    pub(super) fn arm_tick(&mut self) {
        let mut entry = opcode::Timeout::new(&raw const *self.tick.period);
        if self.tick.multishot {
            entry = entry.flags(types::TimeoutFlags::MULTISHOT);
        }
        let entry = entry.build().user_data(Operation::Tick.on_ring(self.tick.generation));
        // SAFETY: the boxed period lives as long as the ring.
        unsafe { self.queue.push(entry) };
    }

    fn remove_tick(&mut self, generation: u32) {
        let entry = opcode::TimeoutRemove::new(Operation::Tick.on_ring(generation))
            .build()
            .user_data(Operation::RemoveTick.on_ring(0));
        // SAFETY: the entry names no memory.
        unsafe { self.queue.push(entry) };
    }

    pub(super) fn on_tick(
        &mut self,
        generation: u32,
        completion: Completion,
        events: &mut Vec<Event>,
    ) {
        if generation != self.tick.generation {
            if completion.more() {
                // It had fired when it was to be removed, so the kernel did not find it, but armed
                // it again afterwards.
                self.remove_tick(generation);
            }
            return;
        }
        if completion.result == -libc::EINVAL && self.tick.multishot {
            self.tick.multishot = false;
            self.arm_tick();
            return;
        }
        if !completion.more() {
            self.arm_tick();
        }
        events.push(Event::Tick);
        self.rest_listeners_less(self.tick.period_ms);
    }
}
