//! Access: how the keys of a shard note that they were used.
//! In: `maxmemory-policy` with its LFU settings, the time, entries that are used. Out: their access
//! bits.
//! Invariant: under an LRU policy (or none) an entry that was used this second costs one
//! comparison; counting under an LFU policy takes place where that comparison fails, which it then
//! always does.

use ringlet_store::access::{lfu_frequency, lfu_initial, lfu_touch, lru_clock};
use ringlet_store::{Entry, Random};

/// What the access bits of no entry are, for these have 24 bits.
const NEVER: u32 = u32::MAX;

/// How an LFU policy counts.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Counting {
    /// `lfu-log-factor`
    pub log_factor: u32,
    /// `lfu-decay-time`
    pub decay_minutes: u32,
}

/// The access bits of this shard's entries.
#[derive(Default)]
pub struct Accesses {
    /// What an entry that was used just now has already; [`NEVER`] when accesses are counted.
    recent: u32,
    /// What a new entry gets.
    fresh: u32,
    counting: Option<Counting>,
}

impl Accesses {
    /// From now on accesses are counted like this, or their time is noted.
    pub fn choose(&mut self, counting: Option<Counting>, now_ms: i64) {
        self.counting = counting;
        self.advance(now_ms);
    }

    /// Time has passed.
    pub fn advance(&mut self, now_ms: i64) {
        let clock = lru_clock(now_ms);
        (self.recent, self.fresh) = match self.counting {
            None => (clock, clock),
            Some(_) => (NEVER, lfu_initial(now_ms)),
        };
    }

    /// Notes a use of an entry.
    #[inline]
    pub fn touch(&self, entry: &mut Entry, now_ms: i64, random: &mut Random) {
        if entry.access() != self.recent {
            self.note(entry, now_ms, random);
        }
    }

    fn note(&self, entry: &mut Entry, now_ms: i64, random: &mut Random) {
        entry.set_access(match self.counting {
            None => self.recent,
            Some(Counting { log_factor, decay_minutes }) => {
                lfu_touch(entry.access(), now_ms, log_factor, decay_minutes, random)
            }
        });
    }

    /// What a new entry gets.
    #[inline]
    pub fn fresh(&self) -> u32 {
        self.fresh
    }

    /// Accesses are counted: an entry that takes another one's place takes its count over.
    #[inline]
    pub fn are_counted(&self) -> bool {
        self.recent == NEVER
    }

    /// The access frequency of an entry; `None` when accesses are not counted.
    pub fn frequency(&self, entry: &Entry, now_ms: i64) -> Option<u32> {
        let counting = self.counting?;
        Some(lfu_frequency(entry.access(), now_ms, counting.decay_minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn accesses_are_times_or_counts() {
        let mut random = Random::new(7);
        let mut accesses = Accesses::default();
        let mut entry = Entry::string(b"key", b"value", None);
        accesses.choose(None, 5000);
        assert!(!accesses.are_counted());
        entry.set_access(accesses.fresh());
        accesses.advance(9000);
        accesses.touch(&mut entry, 9000, &mut random);
        assert_eq!((entry.access(), accesses.frequency(&entry, 9000)), (9, None));
        accesses.choose(Some(Counting { log_factor: 10, decay_minutes: 1 }), MINUTE_MS);
        entry.set_access(accesses.fresh());
        assert_eq!(accesses.frequency(&entry, MINUTE_MS), Some(5));
        // At its first value the counter grows for certain.
        accesses.touch(&mut entry, MINUTE_MS, &mut random);
        assert_eq!(accesses.frequency(&entry, MINUTE_MS), Some(6));
        assert_eq!(accesses.frequency(&entry, 3 * MINUTE_MS), Some(4));
    }
}
