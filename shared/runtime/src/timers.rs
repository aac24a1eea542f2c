//! A hierarchical timing wheel: the timers of one core.
//!
//! Job: hold very many deadlines with constant cost to insert and to cancel, and hand out those
//! that have passed. In: deadlines, and the current time as a value, in milliseconds of a clock
//! that nobody sets (`clock::monotonic_ms`): after a step forward and back the wheel would stand in
//! the future, where every new deadline has passed already.
//! Out: the values whose time has come, and when to look again.
//! Invariant: no timer is handed out before its deadline, twice, or after it was cancelled; within
//! and between calls of `advance` the deadlines of what is handed out never decrease.
//!
//! Eleven wheels of 64 slots: a slot of wheel 0 is one millisecond, a slot of wheel n is a whole
//! turn of wheel n - 1. A timer lives in the wheel of the highest group of 6 bits in which its
//! deadline differs from the wheel's time, in the slot that those bits name. So every slot of a
//! lower wheel comes before every slot of a higher one, and a bitmap per wheel finds the next slot
//! at once. When time enters a slot of a higher wheel, its timers move down: at most ten times in
//! the life of a timer.
//!
//! Bound: the wheel holds one entry per timer and keeps the memory of the most it ever held; its
//! callers bound their number, as each timer belongs to a client, a blocked command or a task.

/// Bits of the time that one wheel covers.
const SLOT_BITS: u32 = 6;
/// Slots per wheel.
const SLOTS: usize = 1 << SLOT_BITS;
/// Wheels that cover all 64 bits of the time.
const WHEELS: usize = u64::BITS.div_ceil(SLOT_BITS) as usize;
/// The end of a list of entries.
const NONE: u32 = u32::MAX;
/// The most entries that one call of `advance` hands out or moves down. It takes well below a
/// millisecond.
pub const STEPS_PER_ADVANCE: usize = 4096;

/// Names one timer. When it has fired or was cancelled, the name is void; after 2^32 later uses of
/// the same memory it could name another timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

/// One timer, in the list of its slot; or an unused entry, in the list of unused ones.
#[derive(Clone, Copy)]
struct Entry<T> {
    deadline: u64,
    previous: u32,
    next: u32,
    generation: u32,
    wheel: u8,
    slot: u8,
    /// `None` in an unused entry.
    value: Option<T>,
}

/// The first and last entry of a slot.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: NONE, last: NONE };

/// The timers of one core. Not shared; `T` is what the owner needs to know when the time comes.
pub struct TimerWheel<T> {
    /// All slots before this time are empty.
    time: u64,
    /// The slot that time has entered and that is still to be moved down, when a call ran out of
    /// steps in the midst of it.
    moving: Option<(usize, usize)>,
    occupied: [u64; WHEELS],
    lists: [[List; SLOTS]; WHEELS],
    entries: Vec<Entry<T>>,
    unused: u32,
    length: usize,
}

/// Maps the time so that its order is that of unsigned numbers, below zero too.
#[inline]
fn to_unsigned(time_ms: i64) -> u64 {
    (time_ms as u64) ^ (1 << 63)
}

#[inline]
fn to_signed(time: u64) -> i64 {
    (time ^ (1 << 63)) as i64
}

impl<T: Copy> TimerWheel<T> {
    /// A wheel without timers that stands at `now_ms`.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self {
            time: to_unsigned(now_ms),
            moving: None,
            occupied: [0; WHEELS],
            lists: [[EMPTY; SLOTS]; WHEELS],
            entries: Vec::new(),
            unused: NONE,
            length: 0,
        }
    }

    /// The number of timers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no timer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds a timer. A deadline before the wheel's time counts as the wheel's time: it comes with
    /// the next `advance`. Constant cost.
    ///
    /// # Panics
    /// When there are 2^32 - 1 timers.
    pub fn insert(&mut self, deadline_ms: i64, value: T) -> TimerId {
        let deadline = to_unsigned(deadline_ms).max(self.time);
        let index = if self.unused == NONE {
            let index = u32::try_from(self.entries.len()).ok().filter(|index| *index != NONE);
            let index = index.expect("fewer than 2^32 - 1 timers");
            self.entries.push(Entry {
                deadline,
                previous: NONE,
                next: NONE,
                generation: 0,
                wheel: 0,
                slot: 0,
                value: Some(value),
            });
            index
        } else {
            let index = self.unused;
            let entry = &mut self.entries[index as usize];
            self.unused = entry.next;
            entry.deadline = deadline;
            entry.value = Some(value);
            index
        };
        self.length += 1;
        self.link(index);
        TimerId { index, generation: self.entries[index as usize].generation }
    }

    /// Removes a timer. False when it has fired or was cancelled before. Constant cost.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let entry = self.entries.get(id.index as usize);
        if !entry.is_some_and(|entry| entry.generation == id.generation && entry.value.is_some()) {
            return false;
        }
        self.unlink(id.index);
        self.retire(id.index);
        true
    }

    /// Moves the time on and appends the values whose deadline is `now_ms` or before, in order of
    /// their deadlines. Does [`STEPS_PER_ADVANCE`] steps at most; what remains comes first in the
    /// next call, and until then `next_deadline` is not after `now_ms`. A time before that of an
    /// earlier call counts as the earlier one.
    pub fn advance(&mut self, now_ms: i64, expired: &mut Vec<T>) {
        let now = to_unsigned(now_ms).max(self.time);
        let mut steps = STEPS_PER_ADVANCE;
        while let Some((wheel, slot)) = self.next_slot() {
            let start = self.start_of(wheel, slot);
            if start > now {
                break;
            }
            // All slots before this one are empty, so the time may enter it.
            self.time = self.time.max(start);
            if wheel > 0 {
                self.moving = Some((wheel, slot));
            }
            while let Some(index) = self.first_of(wheel, slot) {
                if steps == 0 {
                    return;
                }
                steps -= 1;
                self.unlink(index);
                if wheel > 0 {
                    self.link(index);
                } else {
                    expired.extend(self.retire(index));
                }
            }
        }
        self.time = now;
    }

    /// When to call `advance` again, or `None` without timers: the earliest deadline if that is
    /// within the current turn of wheel 0, else an earlier time at which timers move down. Never
    /// later than the earliest deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<i64> {
        let (wheel, slot) = self.next_slot()?;
        Some(to_signed(self.start_of(wheel, slot).max(self.time)))
    }

    /// The earliest slot with timers.
    fn next_slot(&self) -> Option<(usize, usize)> {
        if self.moving.is_some() {
            return self.moving;
        }
        let wheel = self.occupied.iter().position(|slots| *slots != 0)?;
        Some((wheel, self.occupied[wheel].trailing_zeros() as usize))
    }

    /// The first moment of a slot: the groups of bits above the wheel are those of the time.
    fn start_of(&self, wheel: usize, slot: usize) -> u64 {
        let shift = SLOT_BITS * wheel as u32;
        let above = self.time.checked_shr(shift + SLOT_BITS).unwrap_or(0);
        (above.checked_shl(shift + SLOT_BITS).unwrap_or(0)) | ((slot as u64) << shift)
    }

    fn first_of(&self, wheel: usize, slot: usize) -> Option<u32> {
        let first = self.lists[wheel][slot].first;
        (first != NONE).then_some(first)
    }

    /// Appends an entry to the slot of its deadline, which is the time or after.
    fn link(&mut self, index: u32) {
        let deadline = self.entries[index as usize].deadline;
        let difference = deadline ^ self.time;
        let wheel = difference.checked_ilog2().unwrap_or(0) / SLOT_BITS;
        let slot = (deadline >> (SLOT_BITS * wheel)) as usize % SLOTS;
        let list = &mut self.lists[wheel as usize][slot];
        let last = list.last;
        list.last = index;
        if last == NONE {
            list.first = index;
            self.occupied[wheel as usize] |= 1 << slot;
        } else {
            self.entries[last as usize].next = index;
        }
        let entry = &mut self.entries[index as usize];
        (entry.previous, entry.next) = (last, NONE);
        (entry.wheel, entry.slot) = (wheel as u8, slot as u8);
    }

    /// Takes an entry out of its slot.
    fn unlink(&mut self, index: u32) {
        let Entry { previous, next, wheel, slot, .. } = self.entries[index as usize];
        let list = &mut self.lists[wheel as usize][slot as usize];
        if previous == NONE {
            list.first = next;
        } else {
            self.entries[previous as usize].next = next;
        }
        if next == NONE {
            list.last = previous;
        } else {
            self.entries[next as usize].previous = previous;
        }
        if list.first == NONE {
            self.occupied[wheel as usize] &= !(1 << slot);
            if self.moving == Some((wheel as usize, slot as usize)) {
                self.moving = None;
            }
        }
    }

    /// Gives an unlinked entry back for other timers, and returns its value.
    fn retire(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.unused;
        self.unused = index;
        self.length -= 1;
        entry.value.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::{Random, seed};
    use std::collections::{BTreeMap, HashMap};

    fn advance(wheel: &mut TimerWheel<u64>, now_ms: i64) -> Vec<u64> {
        let mut expired = Vec::new();
        wheel.advance(now_ms, &mut expired);
        expired
    }

    #[test]
    fn a_timer_fires_at_its_deadline_and_not_before() {
        let deadlines = [1, 63, 64, 65, 4095, 4096, 262_144, 1 << 40, i64::MAX - 1000];
        for start in [-5_000_000_000, -1, 0, 1000] {
            for after in deadlines {
                let mut wheel = TimerWheel::new(start);
                wheel.insert(start + after, 7);
                assert!(advance(&mut wheel, start + after - 1).is_empty());
                assert_eq!((wheel.len(), wheel.is_empty()), (1, false));
                assert_eq!(advance(&mut wheel, start + after), [7]);
                assert!(wheel.is_empty());
                assert_eq!(wheel.next_deadline(), None);
            }
        }
    }

    #[test]
    fn deadlines_at_both_ends_of_the_range_and_in_the_past_work() {
        let mut wheel = TimerWheel::new(i64::MIN);
        wheel.insert(i64::MAX, 3);
        wheel.insert(0, 2);
        wheel.insert(i64::MIN, 1);
        assert_eq!(wheel.next_deadline(), Some(i64::MIN));
        assert_eq!(advance(&mut wheel, i64::MIN), [1]);
        assert_eq!(advance(&mut wheel, 0), [2]);
        assert!(advance(&mut wheel, i64::MAX - 1).is_empty());
        wheel.insert(i64::MIN, 4);
        assert_eq!(wheel.next_deadline(), Some(i64::MAX - 1), "the past counts as now");
        assert_eq!(advance(&mut wheel, 5), [4], "a time that runs backwards does no harm");
        assert_eq!(advance(&mut wheel, i64::MAX), [3]);
    }

    #[test]
    fn names_of_timers_that_ended_are_void() {
        let mut wheel = TimerWheel::new(0);
        let first = wheel.insert(10, 1);
        assert!(wheel.cancel(first));
        assert!(!wheel.cancel(first));
        let second = wheel.insert(10, 2);
        assert_eq!(second.index, first.index, "memory is used again");
        assert!(!wheel.cancel(first), "the old name must not cancel the new timer");
        assert_eq!(advance(&mut wheel, 10), [2]);
        assert!(!wheel.cancel(second));
        assert!(!wheel.cancel(TimerId { index: 1000, generation: 0 }));
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn work_per_call_is_bounded_and_the_rest_comes_next() {
        let mut wheel = TimerWheel::new(0);
        let count = STEPS_PER_ADVANCE as u64 * 3 / 2;
        let ids: Vec<TimerId> = (0..count).map(|n| wheel.insert(70 + (n % 2) as i64, n)).collect();
        // All of them share a slot of wheel 1 and must move down before any can fire.
        assert!(advance(&mut wheel, 1000).is_empty());
        assert_eq!(wheel.next_deadline(), Some(64), "there is more to do at once");
        assert!(wheel.cancel(ids[count as usize - 1]) && wheel.cancel(ids[0]));
        wheel.insert(60, 1_000_000);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let before = seen.len();
            wheel.advance(1000, &mut seen);
            assert!(seen.len() - before <= STEPS_PER_ADVANCE);
        }
        assert!(wheel.is_empty());
        assert_eq!(seen[0], 1_000_000);
        assert_eq!(wheel.moving, None);
        let even = (2..count).step_by(2);
        let odd = (1..count - 1).step_by(2);
        let mut rest = seen[1..].to_vec();
        rest[..count as usize / 2 - 1].sort_unstable();
        rest[count as usize / 2 - 1..].sort_unstable();
        assert_eq!(rest, even.chain(odd).collect::<Vec<_>>(), "70 before 71, each once");
    }

    #[test]
    fn cancelling_the_rest_of_a_half_moved_slot_leaves_a_sound_wheel() {
        let mut wheel = TimerWheel::new(0);
        let count = STEPS_PER_ADVANCE as u64 + 10;
        let ids: Vec<TimerId> = (0..count).map(|n| wheel.insert(100, n)).collect();
        assert!(advance(&mut wheel, 64).is_empty());
        assert!(ids.iter().all(|id| wheel.cancel(*id)));
        assert_eq!((wheel.next_deadline(), wheel.len()), (None, 0));
        assert!(advance(&mut wheel, 5000).is_empty());
        wheel.insert(5001, 1);
        wheel.insert(4096 + 4096 + 64, 2);
        assert_eq!(advance(&mut wheel, 5001), [1]);
        assert_eq!(advance(&mut wheel, 9000), [2]);
    }

    #[test]
    fn a_sleeper_that_follows_next_deadline_is_never_late_and_wakes_seldom() {
        let mut random = Random(seed());
        for _ in 0..200 {
            let mut wheel = TimerWheel::new(0);
            let bits = 1 + random.below(40);
            let deadline = random.below(1 << bits) as i64;
            wheel.insert(deadline, 1);
            let mut wakes = 0;
            let fired_at = loop {
                let next = wheel.next_deadline().expect("a timer is there");
                assert!(next <= deadline);
                wakes += 1;
                if advance(&mut wheel, next) == [1] {
                    break next;
                }
            };
            assert_eq!(fired_at, deadline);
            assert!(wakes <= WHEELS, "{wakes} wakes for one timer");
        }
    }

    /// What the wheel should do, by an ordered map from deadline to values.
    #[derive(Default)]
    struct Model {
        timers: BTreeMap<i64, Vec<u64>>,
    }

    impl Model {
        fn advance(&mut self, now_ms: i64) -> Vec<(i64, u64)> {
            let mut due = Vec::new();
            while let Some(first) = self.timers.first_entry()
                && *first.key() <= now_ms
            {
                let (deadline, mut values) = first.remove_entry();
                values.sort_unstable();
                due.extend(values.into_iter().map(|value| (deadline, value)));
            }
            due
        }
    }

    #[test]
    fn it_does_what_an_ordered_map_does() {
        let seed = seed();
        for round in 0..60 {
            let mut random = Random(seed.wrapping_add(round));
            let mut now = random.next() as i64 >> random.below(60);
            let (mut wheel, mut model) = (TimerWheel::new(now), Model::default());
            let mut ids: HashMap<u64, (TimerId, i64)> = HashMap::new();
            for value in 0..3000_u64 {
                match random.below(10) {
                    0..6 => {
                        let after = random.next() as i64 >> (2 + random.below(60));
                        let deadline = now.saturating_add(after).max(now);
                        ids.insert(value, (wheel.insert(deadline, value), deadline));
                        model.timers.entry(deadline).or_default().push(value);
                    }
                    6..8 => {
                        let picked = random.below(value + 1);
                        if let Some((id, deadline)) = ids.get(&picked) {
                            let pending = model.timers.get_mut(deadline);
                            let at = pending.as_ref().and_then(|values| {
                                values.iter().position(|value| *value == picked)
                            });
                            if let (Some(values), Some(at)) = (pending, at) {
                                values.remove(at);
                            }
                            assert_eq!(wheel.cancel(*id), at.is_some());
                        }
                    }
                    _ => {
                        now = now
                            .saturating_add(1 + (random.next() >> (1 + random.below(63))) as i64);
                        let mut expired: Vec<(i64, u64)> =
                            advance(&mut wheel, now).into_iter().map(|v| (ids[&v].1, v)).collect();
                        assert!(expired.is_sorted_by_key(|(deadline, _)| *deadline));
                        expired.sort_unstable();
                        assert_eq!(expired, model.advance(now));
                    }
                }
                model.timers.retain(|_, values| !values.is_empty());
                let earliest = model.timers.first_key_value().map(|(deadline, _)| *deadline);
                assert_eq!(wheel.next_deadline().is_some(), earliest.is_some());
                assert!(wheel.next_deadline() <= earliest);
                assert_eq!(wheel.len(), model.timers.values().map(Vec::len).sum::<usize>());
            }
        }
    }
}
