//! Job: what a core knows of the keys that it writes, to judge what reads of them bring back.
//! In: versions sent, writes answered, versions read. Out: versions to write, faults.
//! Invariant: writes of a key that are in flight together form a group and may land in any order.
//! When the last of a group is answered, nothing older than the group's first version may come back.
//! A reply is called wrong only if no order of the writes explains it.

use super::keys::KeyClass;

/// Keys that one core can keep in mind: 16 bytes each.
pub const CHECKED_KEYS_MAX: u64 = 1 << 28;

/// Why a value is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing, though it was written.
    Missing,
    /// Not written by this run.
    Foreign,
    /// Written to another key.
    OtherKey,
    /// Shorter or longer than it was written.
    Cut,
    /// Bytes have changed.
    Changed,
    /// Older than one that had been acknowledged before the read was sent.
    Old,
    /// Of a version that has not been sent yet.
    Unsent,
}

impl Fault {
    /// For people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Missing => "nothing came back for a key that was written",
            Self::Foreign => "a value came back that this run has not written",
            Self::OtherKey => "the value of another key came back",
            Self::Cut => "a value came back shorter or longer than it was written",
            Self::Changed => "a value came back with changed bytes",
            Self::Old => "a value came back that is older than one acknowledged before",
            Self::Unsent => "a version came back that was not sent yet",
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// The oldest version that may come back; 0 if anything may.
    floor: u32,
    /// The first version of the group in flight.
    group_start: u32,
    /// The newest version sent.
    sent: u32,
    /// Writes in flight, and in the lowest bit whether one of the group has succeeded.
    flight: u32,
}

const SUCCEEDED: u32 = 1;
const ONE_WRITE: u32 = 2;

/// What is known of the keys of a class.
#[derive(Clone, Debug)]
pub struct Ledger {
    class: KeyClass,
    states: Vec<State>,
}

impl Ledger {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(class: KeyClass) -> Self {
        let count = class.count.min(CHECKED_KEYS_MAX) as usize;
        Self { class, states: vec![State::default(); count] }
    }

    fn state(&self, key: u64) -> Option<&State> {
        self.states.get(usize::try_from(self.class.place(key)).ok()?)
    }

    fn state_mut(&mut self, key: u64) -> Option<&mut State> {
        self.states.get_mut(usize::try_from(self.class.place(key)).ok()?)
    }

    /// A write of `key` is sent; its version, from 1. 0 for a key that is not kept in mind.
    pub fn write(&mut self, key: u64) -> u32 {
        let Some(state) = self.state_mut(key) else { return 0 };
        state.sent = state.sent.saturating_add(1);
        if state.flight < ONE_WRITE {
            state.group_start = state.sent;
            state.flight = 0;
        }
        state.flight += ONE_WRITE;
        state.sent
    }

    /// A write of `key` is answered. One that failed may have landed or not: a group without success
    /// proves nothing.
    pub fn answered(&mut self, key: u64, succeeded: bool) {
        let Some(state) = self.state_mut(key) else { return };
        state.flight = state.flight.saturating_sub(ONE_WRITE) | u32::from(succeeded);
        if state.flight == SUCCEEDED {
            state.floor = state.group_start;
        }
    }

    /// The floor of a read of `key` that is sent now.
    #[must_use]
    pub fn floor(&self, key: u64) -> u32 {
        self.state(key).map_or(0, |state| state.floor)
    }

    /// Whether a version of `key` may come back now to a read that was sent at that floor.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, key: u64, floor: u32, version: u32) -> Result<(), Fault> {
        let newest = self.state(key).map_or(0, |state| state.sent);
        match version {
            _ if version < floor => Err(Fault::Old),
            _ if version > newest => Err(Fault::Unsent),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(KeyClass::of_core(10, 1, 2))
    }

    #[test]
    fn the_floor_rises_with_the_acknowledgement() {
        let mut ledger = ledger();
        assert_eq!((ledger.write(3), ledger.floor(3)), (1, 0));
        ledger.answered(3, true);
        assert_eq!(ledger.floor(3), 1);
        assert_eq!(ledger.floor(5), 0, "another key");
        assert_eq!(ledger.write(3), 2);
        assert_eq!(ledger.floor(3), 1, "the first may still come back");
        ledger.answered(3, true);
        assert_eq!(ledger.floor(3), 2);
    }

    #[test]
    fn writes_that_overlap_may_land_in_any_order() {
        let mut ledger = ledger();
        ledger.write(3);
        ledger.answered(3, true);
        // 2 and 3 overlap, then 4 with 3; all may be the last to land.
        ledger.write(3);
        ledger.write(3);
        ledger.answered(3, true);
        ledger.write(3);
        ledger.answered(3, true);
        assert_eq!(ledger.floor(3), 1, "one is still in flight");
        ledger.answered(3, true);
        assert_eq!(ledger.floor(3), 2, "not 4: the others may have landed after it");
    }

    #[test]
    fn versions_between_floor_and_newest_are_good() {
        let mut ledger = ledger();
        for _ in 0..3 {
            ledger.write(3);
            ledger.answered(3, true);
        }
        let floor = ledger.floor(3);
        ledger.write(3);
        assert_eq!(ledger.check(3, floor, 2), Err(Fault::Old));
        assert_eq!(ledger.check(3, floor, 3), Ok(()));
        assert_eq!(ledger.check(3, floor, 4), Ok(()), "sent after the read, and landed before it");
        assert_eq!(ledger.check(3, floor, 5), Err(Fault::Unsent));
    }

    #[test]
    fn refused_writes_prove_nothing() {
        let mut ledger = ledger();
        ledger.write(3);
        ledger.answered(3, false);
        assert_eq!(ledger.floor(3), 0);
        ledger.write(3);
        ledger.write(3);
        ledger.answered(3, true);
        ledger.answered(3, false);
        assert_eq!(ledger.floor(3), 2, "one of the group has landed, and no older one after it");
        ledger.write(3);
        ledger.answered(3, false);
        assert_eq!(ledger.floor(3), 2, "an earlier success is not this group's");
    }

    #[test]
    fn other_keys_than_the_cores_own_are_left_alone() {
        let mut ledger = ledger();
        assert_eq!(ledger.write(1_000_001), 0);
        ledger.answered(1_000_001, true);
        assert_eq!(ledger.floor(1_000_001), 0);
    }
}
