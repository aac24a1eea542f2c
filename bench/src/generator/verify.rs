//! Job: what a core knows of the keys that it writes, to judge what reads of them bring back.
//! In: versions sent, writes answered, versions read. Out: versions to write, faults.
//! Invariant: a reply is called wrong only if no order of the writes explains it. Writes of a key are
//! told apart by generations: each write of the younger one was sent when all before the older one were
//! answered. So when one of the younger is answered, nothing before the older may come back, however
//! many writes are always in flight.

use super::keys::KeyClass;

/// Keys that one core can keep in mind: 28 bytes each.
pub const CHECKED_KEYS_MAX: u64 = 1 << 27;

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
    /// What had been answered before the first write of the older generation was sent: all versions
    /// before this one.
    oldest: u32,
    /// The first version of the older generation: all before it had been answered when the first of the
    /// younger was sent.
    older: u32,
    /// The first version of the younger generation.
    younger: u32,
    /// The newest version sent.
    sent: u32,
    /// Writes of the older generation in flight.
    older_flight: u32,
    /// Those of the younger.
    younger_flight: u32,
}

impl State {
    /// The younger generation becomes the older one when all of that are answered.
    fn turn(&mut self) {
        if self.older_flight == 0 {
            self.oldest = self.older;
            self.older = self.younger;
            self.younger = self.sent.saturating_add(1);
            self.older_flight = std::mem::take(&mut self.younger_flight);
        }
    }
}

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
        // Twice: if nothing at all is in flight, the write comes after all before it.
        state.turn();
        state.turn();
        state.sent = state.sent.saturating_add(1);
        state.younger_flight += 1;
        state.sent
    }

    /// A write of a version of `key` is answered. One that failed may have landed or not, and proves
    /// nothing.
    pub fn answered(&mut self, key: u64, version: u32, succeeded: bool) {
        let Some(state) = self.state_mut(key) else { return };
        let (flight, proven) = match version >= state.younger {
            true => (&mut state.younger_flight, state.older),
            false => (&mut state.older_flight, state.oldest),
        };
        *flight = flight.saturating_sub(1);
        if succeeded {
            state.floor = state.floor.max(proven);
        }
        state.turn();
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
    use ringlet_base::random::Random;

    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(KeyClass::of_core(10, 1, 2))
    }

    #[test]
    fn the_floor_rises_with_the_acknowledgement() {
        let mut ledger = ledger();
        assert_eq!((ledger.write(3), ledger.floor(3)), (1, 0));
        ledger.answered(3, 1, true);
        assert_eq!(ledger.floor(3), 1);
        assert_eq!(ledger.floor(5), 0, "another key");
        assert_eq!(ledger.write(3), 2);
        assert_eq!(ledger.floor(3), 1, "the first may still come back");
        ledger.answered(3, 2, true);
        assert_eq!(ledger.floor(3), 2);
    }

    #[test]
    fn writes_that_overlap_may_land_in_any_order() {
        let mut ledger = ledger();
        ledger.write(3);
        ledger.answered(3, 1, true);
        // 2 and 3 overlap, then 4 with 3.
        ledger.write(3);
        ledger.write(3);
        ledger.answered(3, 2, true);
        assert_eq!(ledger.floor(3), 2, "1 was overwritten by it");
        ledger.write(3);
        ledger.answered(3, 3, true);
        assert_eq!(ledger.floor(3), 2, "2 may have landed after it");
        ledger.answered(3, 4, true);
        assert_eq!(
            ledger.floor(3),
            3,
            "not 4: 3 may have landed after it, but 2 was answered before"
        );
    }

    /// What the ledger says by generations, against the whole history of each write.
    #[test]
    fn the_floor_is_never_too_high_and_follows_writes_that_always_overlap() {
        let seed = std::env::var("RINGLET_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or(23);
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut ledger = ledger();
        let (mut flight, mut lowest_at_sending) = (Vec::new(), vec![0]);
        let mut exact = 0;
        for step in 0..10_000 {
            if flight.len() < 2 || (flight.len() < 9 && random.below(2) == 0) {
                let version = ledger.write(3);
                flight.push(version);
                lowest_at_sending.push(flight.iter().copied().min().unwrap_or(version));
            } else {
                let version: u32 = flight.swap_remove(random.below(flight.len() as u64) as usize);
                let succeeded = random.below(8) > 0;
                ledger.answered(3, version, succeeded);
                if succeeded {
                    exact = exact.max(lowest_at_sending[version as usize]);
                }
            }
            let floor = ledger.floor(3);
            assert!(floor <= exact, "step {step}: {floor} instead of {exact}");
            assert!(exact - floor < 200, "step {step}: {floor} is far from {exact}");
        }
        assert!(exact > 4000, "{exact}");
    }

    #[test]
    fn versions_between_floor_and_newest_are_good() {
        let mut ledger = ledger();
        for version in 1..=3 {
            ledger.write(3);
            ledger.answered(3, version, true);
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
        ledger.answered(3, 1, false);
        assert_eq!(ledger.floor(3), 0);
        ledger.write(3);
        ledger.write(3);
        ledger.answered(3, 2, true);
        ledger.answered(3, 3, false);
        assert_eq!(ledger.floor(3), 2, "it has landed, and no older one after it");
        ledger.write(3);
        ledger.answered(3, 4, false);
        assert_eq!(ledger.floor(3), 2, "an earlier success is not this one's");
    }

    #[test]
    fn other_keys_than_the_cores_own_are_left_alone() {
        let mut ledger = ledger();
        assert_eq!(ledger.write(1_000_001), 0);
        ledger.answered(1_000_001, 0, true);
        assert_eq!(ledger.floor(1_000_001), 0);
    }
}
