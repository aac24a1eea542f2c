//! What a core remembers of its keys: a bounded table.
//!
//! Job: find the state of a key, or a place for a new one. In: keyed hashes and the numbers of limits.
//! Out: states. Invariant: memory never grows after `new`, but for shared states of what does not fit;
//! a key that is refused at present is never forgotten.
//!
//! A key stands in one of [`WAYS`] neighbouring places that its hash names. If all are taken, the place
//! of a key goes whose state says nothing any more, else that of the one that has used the least of its
//! limit. If all of them are refused at present, the new key shares a state with others that found no
//! place either: what they use together counts against each, so errors are refusals.

use ahash::AHashMap;

use crate::algorithm::{Cell, Memory, State};
use crate::model::Limit;
use crate::time::Now;

/// Places that a key may stand in.
const WAYS: usize = 16;
/// Shared states for each limit.
const SHARED: usize = 256;
/// Number of a place that never held a key: a search ends there.
const UNTOUCHED: u32 = 0;
/// Number of a place whose key was forgotten.
const VACANT: u32 = 1;
/// Numbers of limits begin here.
const FIRST: u32 = 2;

/// One place; all zeroes where nobody has been. Small enough that a key and its state are in one line of
/// the cache: to look for a key costs as much as to wait for memory, once.
#[derive(Copy, Clone, Debug, Default)]
struct Entry {
    hash: u64,
    /// Of the limit, plus [`FIRST`].
    number: u32,
    /// Coarse time of the last use, to tell the older of two.
    used: u32,
    state: State,
}

/// Where limits are found by their numbers.
pub trait Limits {
    /// The limit.
    fn limit(&self, number: u32) -> Option<&Limit>;
}

/// The table of one core.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    shared: AHashMap<u32, Box<[State]>>,
    memory: Memory,
    keys: usize,
    evicted: u64,
    unplaced: u64,
}

/// What the table holds.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct TableCounters {
    /// Keys that have a place.
    pub keys: usize,
    /// Keys that were forgotten while their state still said something.
    pub evicted: u64,
    /// Questions that were answered from a shared state.
    pub unplaced: u64,
}

impl Table {
    /// A table for so many keys.
    #[must_use]
    pub fn new(keys_max: usize) -> Self {
        let places = keys_max.max(WAYS).next_multiple_of(WAYS) + WAYS;
        Self {
            entries: vec![Entry::default(); places],
            shared: AHashMap::new(),
            memory: Memory::default(),
            keys: 0,
            evicted: 0,
            unplaced: 0,
        }
    }

    /// Counts.
    #[must_use]
    pub fn counters(&self) -> TableCounters {
        TableCounters { keys: self.keys, evicted: self.evicted, unplaced: self.unplaced }
    }

    /// The memory that algorithms have beside the states.
    pub fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// The cell of a key, new if it was not known.
    pub fn cell<'a>(
        &'a mut self,
        hash: u64,
        number: u32,
        limit: &'a Limit,
        limits: &impl Limits,
        now: Now,
    ) -> Cell<'a> {
        let tag = number + FIRST;
        let first = self.first_place(hash);
        let mut free = None;
        for (way, entry) in self.entries[first..first + WAYS].iter().enumerate() {
            if entry.hash == hash && entry.number == tag {
                return self.cell_at(first + way, limit, now);
            }
            if entry.number < FIRST {
                free = free.or(Some(first + way));
                if entry.number == UNTOUCHED {
                    break;
                }
            }
        }
        match free.or_else(|| self.make_room(first, limits, now)) {
            Some(place) => {
                self.keys += 1;
                let state = State::default();
                self.entries[place] = Entry { hash, number: tag, used: 0, state };
                self.cell_at(place, limit, now)
            }
            None => {
                self.unplaced += 1;
                let states = self.shared.entry(number);
                let states = states.or_insert_with(|| vec![State::default(); SHARED].into());
                let state = &mut states[(hash % SHARED as u64) as usize];
                Cell { limit, state, memory: &mut self.memory, now }
            }
        }
    }

    fn first_place(&self, hash: u64) -> usize {
        let places = self.entries.len() - WAYS;
        // The low half: the high bits have chosen the core.
        ((u64::from(hash as u32) * places as u64) >> 32) as usize
    }

    fn cell_at<'a>(&'a mut self, place: usize, limit: &'a Limit, now: Now) -> Cell<'a> {
        self.entries[place].used = (now.monotonic_ns >> 28) as u32;
        self.view(place, limit, now)
    }

    /// Takes a place from the key that loses least by it; none if all are refused at present.
    fn make_room(&mut self, first: usize, limits: &impl Limits, now: Now) -> Option<usize> {
        let mut best: Option<(u64, u32, usize)> = None;
        for place in first..first + WAYS {
            let entry = self.entries[place];
            let Some(limit) = limits.limit(entry.number - FIRST) else { continue };
            let algorithm = limit.algorithm;
            if (algorithm.forgettable_after_ns)(self.view(place, limit, now)) == 0 {
                self.vacate(place, limit, now);
                return Some(place);
            }
            let outcome = (algorithm.take)(self.view(place, limit, now), 0);
            if !outcome.is_allowed {
                continue;
            }
            let used = limit.burst.saturating_sub(outcome.remaining);
            let used_share = (used << 16) / limit.burst.max(1);
            let candidate = (used_share, entry.used, place);
            if best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        let (_, _, place) = best?;
        self.evicted += 1;
        self.vacate(place, limits.limit(self.entries[place].number - FIRST)?, now);
        Some(place)
    }

    /// Forgets the keys of all limits that `retired` knows.
    pub fn retire(&mut self, retired: &impl Limits, now: Now) {
        for place in 0..self.entries.len() {
            let number = self.entries[place].number;
            if number >= FIRST
                && let Some(limit) = retired.limit(number - FIRST)
            {
                self.vacate(place, limit, now);
            }
        }
        self.shared.retain(|&number, _| retired.limit(number).is_none());
    }

    /// Forgets the keys of all limits that `limits` knows and whose states say nothing any more, and tells
    /// the numbers of those whose states do.
    pub fn forget(&mut self, limits: &impl Limits, now: Now, mut tell: impl FnMut(u32)) {
        for place in 0..self.entries.len() {
            let number = self.entries[place].number;
            if number >= FIRST
                && let Some(limit) = limits.limit(number - FIRST)
            {
                let algorithm = limit.algorithm;
                if (algorithm.forgettable_after_ns)(self.view(place, limit, now)) == 0 {
                    self.vacate(place, limit, now);
                } else {
                    tell(number - FIRST);
                }
            }
        }
        let memory = &mut self.memory;
        self.shared.retain(|&number, states| {
            let Some(limit) = limits.limit(number) else { return true };
            let is_used = states.iter_mut().any(|state| {
                let cell = Cell { limit, state, memory, now };
                (limit.algorithm.forgettable_after_ns)(cell) > 0
            });
            if is_used {
                tell(number);
            } else {
                for state in states {
                    (limit.algorithm.forget)(Cell { limit, state, memory, now });
                }
            }
            is_used
        });
    }

    fn view<'a>(&'a mut self, place: usize, limit: &'a Limit, now: Now) -> Cell<'a> {
        Cell { limit, state: &mut self.entries[place].state, memory: &mut self.memory, now }
    }

    fn vacate(&mut self, place: usize, limit: &Limit, now: Now) {
        (limit.algorithm.forget)(self.view(place, limit, now));
        self.entries[place].number = VACANT;
        self.keys -= 1;
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
