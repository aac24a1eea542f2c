//! Room for what is new, when all of it is taken.
//!
//! Job: forget what says nothing any more. In: the time. Out: free places. Invariant: who looks through
//! everything and finds little does not do so again at once: it takes as long as thousands of answers.

use ahash::AHashSet;

use super::Engine;
use super::limits::GIVEN_LIMITS_MAX;
use crate::lease::TICK_MS;
use crate::request::LimitRef;
use crate::time::{NS_PER_MS, Now};

/// How long it is not worth it to look again.
const SWEEP_PAUSE_MS: u64 = 10 * TICK_MS;
/// The same for limits of requests: a table is much larger than the leases.
const LIMITS_PAUSE_MS: u64 = 1000;
/// Less than this part of all is little.
const SWEEP_WORTH_PARTS: usize = 16;

impl Engine {
    /// Forgets leases that nobody uses; if that is not enough, those that hold nothing.
    pub(super) fn make_room(&mut self, now: Now) {
        if now.monotonic_ns < self.sweeps_again_ns {
            return;
        }
        let now = self.clocks(now).store;
        let before = self.leases.len();
        for in_need in [false, true] {
            if self.leases.len() * 10 > self.settings.leases_max * 9 {
                self.leases.retain(|_, one| !one.lease.is_forgettable(now, in_need));
            }
        }
        if (before - self.leases.len()) * SWEEP_WORTH_PARTS < before {
            self.sweeps_again_ns = now.monotonic_ns + SWEEP_PAUSE_MS * NS_PER_MS;
        }
    }

    /// Forgets limits that requests have brought along and under which nothing is remembered of any key.
    /// False if there is none.
    pub(super) fn make_room_for_limits(&mut self, now: Now) -> bool {
        if now.monotonic_ns < self.sweeps_limits_again_ns {
            return false;
        }
        let store_now = self.clocks(now).store;
        self.leases.retain(|_, one| !one.lease.is_forgettable(store_now, false));
        let mut used: AHashSet<u32> = AHashSet::new();
        for one in self.leases.values() {
            if let LimitRef::Given(numbers) = &one.limit {
                used.extend(self.given.number_of(numbers));
            }
        }
        self.table.forget(&self.given, now, |number| {
            used.insert(number);
        });
        let forgotten = self.given.keep(&used);
        if forgotten * SWEEP_WORTH_PARTS < GIVEN_LIMITS_MAX {
            self.sweeps_limits_again_ns = now.monotonic_ns + LIMITS_PAUSE_MS * NS_PER_MS;
        }
        forgotten > 0
    }
}
