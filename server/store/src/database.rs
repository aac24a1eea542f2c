//! One logical database of one shard: keys, expiries, and what is due.
//!
//! In: entries, keys, times. Out: entries; expired ones are handed to the caller, who reports them.
//! Invariant: every segment of the table knows how many of its entries expire, and a time before
//! which none of them does. No memory is spent per key for that.

use crate::entry::Entry;
use crate::graveyard::Graveyard;
use crate::hasher::KeyHasher;
use crate::table::{Digest, SEGMENT_ELEMENTS_MAX, Sweep, Table};
use ringlet_base::random::Random;

/// Entries sampled for an average.
const TTL_SAMPLES: usize = 256;

/// A segment is looked at again at once when at least one entry in this many was due.
const WORTHWHILE_SHARE: usize = 8;
/// Otherwise it rests: active expiry looks at no more entries per millisecond of each segment. A
/// command never sees an expired entry anyway.
const EXAMINED_PER_MS: usize = 2;
/// The longest rest. One that seems to end later was begun before the clock was set back.
const REST_MS_MAX: i64 = (SEGMENT_ELEMENTS_MAX / EXAMINED_PER_MS) as i64;

/// What a segment knows about the expiries of its entries.
#[derive(Debug)]
pub(crate) struct Expiries {
    count: u32,
    /// None of them expires before; may be too early, never too late.
    earliest_ms: i64,
    /// Those that expire are left alone until then.
    rest_until_ms: i64,
}

impl Default for Expiries {
    fn default() -> Self {
        Self { count: 0, earliest_ms: i64::MAX, rest_until_ms: i64::MIN }
    }
}

impl Expiries {
    fn add_time(&mut self, expiry_ms: i64) {
        self.count += 1;
        self.move_time(expiry_ms);
    }

    /// One of them expires at another time now.
    #[inline]
    fn move_time(&mut self, expiry_ms: i64) {
        self.earliest_ms = self.earliest_ms.min(expiry_ms);
    }

    /// After the segment had its turn at `now_ms`.
    fn rest(&mut self, now_ms: i64, sweep: Sweep) {
        if sweep.taken * WORTHWHILE_SHARE < sweep.examined {
            let rest_ms = ((sweep.examined / EXAMINED_PER_MS) as i64).min(REST_MS_MAX);
            self.rest_until_ms = now_ms.saturating_add(rest_ms);
        }
    }

    /// The segment is worth a look only after this time.
    fn due_ms(&self, now_ms: i64) -> i64 {
        if self.rest_until_ms > now_ms.saturating_add(REST_MS_MAX) {
            return self.earliest_ms;
        }
        self.earliest_ms.max(self.rest_until_ms)
    }

    fn remove_one(&mut self) {
        self.count -= 1;
        if self.count == 0 {
            *self = Self::default();
        }
    }
}

impl Digest<Entry> for Expiries {
    #[inline]
    fn add(&mut self, entry: &Entry) {
        if let Some(expiry_ms) = entry.expiry() {
            self.add_time(expiry_ms);
        }
    }

    #[inline]
    fn remove(&mut self, entry: &Entry) {
        if entry.expiry().is_some() {
            self.remove_one();
        }
    }
}

/// What one call of [`Database::expire_some`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpireProgress {
    /// Entries looked at, and one for each segment that was skipped: what the work limit counts.
    pub work: usize,
    /// Entries looked at.
    pub examined: usize,
    /// Entries handed out.
    pub expired: usize,
    /// Whether the work limit ended the call before the end of the round.
    pub more: bool,
}

/// One logical database of one shard.
#[derive(Debug)]
pub struct Database {
    entries: Table<Entry, Expiries>,
    hasher: KeyHasher,
    expires_len: usize,
    /// No segment is worth a look before; may be too early, and too late only by the rest of a
    /// segment that was split or joined since. During a round it speaks only of the segments that
    /// had their turn and of times set since the start.
    due_ms: i64,
    /// Where the round of active expiry that is under way goes on.
    round: Option<u64>,
}

impl Database {
    /// An empty database. All databases between which entries move use the same hasher.
    #[must_use]
    pub fn new(hasher: KeyHasher) -> Self {
        let entries = Table::new();
        Self { entries, hasher, expires_len: 0, due_ms: i64::MAX, round: None }
    }

    /// What hashes the keys.
    #[must_use]
    pub const fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    /// The number of keys, expired ones that are still there included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of keys with an expiry.
    #[must_use]
    pub fn expires_len(&self) -> usize {
        self.expires_len
    }

    /// The entry of a key, expired or not.
    #[inline]
    #[must_use]
    pub fn find(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.find(self.hasher.hash(key), |entry| entry.key() == key)
    }

    /// As [`Self::find`], to change the value or the access bits.
    #[inline]
    #[must_use]
    pub fn find_mut(&mut self, key: &[u8]) -> Option<&mut Entry> {
        self.entries.find_mut(self.hasher.hash(key), |entry| entry.key() == key)
    }

    /// Puts an entry in and returns the one that had its key.
    #[inline]
    pub fn insert(&mut self, entry: Entry) -> Option<Entry> {
        self.insert_hashed(self.hasher.hash(entry.key()), entry)
    }

    #[inline]
    fn insert_hashed(&mut self, hash: u64, entry: Entry) -> Option<Entry> {
        if let Some(expiry_ms) = entry.expiry() {
            self.expires_len += 1;
            self.due_ms = self.due_ms.min(expiry_ms);
        }
        let found = self.entries.find_with_digest(hash, |other| other.key() == entry.key());
        let Some((place, expiries)) = found else {
            self.entries.insert(hash, entry, |entry| self.hasher.hash(entry.key()));
            return None;
        };
        expiries.remove(place);
        expiries.add(&entry);
        let old = std::mem::replace(place, entry);
        self.expires_len -= usize::from(old.expiry().is_some());
        Some(old)
    }

    /// Stores a string under a key, in the place of whatever is there (`SET`): without an
    /// allocation when that is a small string of the same length, with or without an expiry as
    /// before. Returns the replaced entry when there is one to free.
    #[inline]
    pub fn set_string(
        &mut self,
        key: &[u8],
        value: &[u8],
        expiry_ms: Option<i64>,
        access: u32,
    ) -> Option<Entry> {
        let hash = self.hasher.hash(key);
        if let Some((place, expiries)) =
            self.entries.find_with_digest(hash, |entry| entry.key() == key)
            && place.overwrite_string(value, expiry_ms)
        {
            if let Some(expiry_ms) = expiry_ms {
                expiries.move_time(expiry_ms);
                self.due_ms = self.due_ms.min(expiry_ms);
            }
            place.set_access(access);
            return None;
        }
        let mut entry = Entry::string(key, value, expiry_ms);
        entry.set_access(access);
        self.insert_hashed(hash, entry)
    }

    /// Takes out the entry of a key.
    #[inline]
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let hash = self.hasher.hash(key);
        let rehash = |entry: &Entry| self.hasher.hash(entry.key());
        let entry = self.entries.remove(hash, |entry| entry.key() == key, rehash)?;
        self.expires_len -= usize::from(entry.expiry().is_some());
        Some(entry)
    }

    /// Sets the expiry of a key (Unix time in milliseconds) or clears it. Returns whether the key
    /// is there.
    pub fn set_expiry(&mut self, key: &[u8], expiry_ms: Option<i64>) -> bool {
        let hash = self.hasher.hash(key);
        let found = self.entries.find_with_digest(hash, |entry| entry.key() == key);
        let Some((entry, expiries)) = found else { return false };
        if entry.expiry().is_some() {
            expiries.remove_one();
            self.expires_len -= 1;
        }
        if let Some(expiry_ms) = expiry_ms {
            expiries.add_time(expiry_ms);
            self.expires_len += 1;
            self.due_ms = self.due_ms.min(expiry_ms);
        }
        entry.set_expiry(expiry_ms);
        true
    }

    /// One step of `SCAN`; see [`Table::scan`]. Shows expired entries too.
    pub fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(&Entry)) -> u64 {
        self.entries.scan(cursor, count, |entry| self.hasher.hash(entry.key()), visit)
    }

    /// An entry, each equally likely, expired ones included.
    pub fn random(&self, random: &mut Random) -> Option<&Entry> {
        self.entries.random(random)
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Empties the database in O(1). What was in it goes to `graveyard`.
    pub fn clear(&mut self, graveyard: &mut Graveyard) {
        let emptied = std::mem::replace(self, Self::new(self.hasher));
        graveyard.bury_entries(emptied.entries.into_remains());
    }

    /// Starts a round of active expiry if something may be due and none is under way. Costs nothing
    /// otherwise, however many keys have an expiry.
    pub fn start_expiry_round(&mut self, now_ms: i64) {
        if self.round.is_none() && self.due_ms < now_ms {
            self.round = Some(0);
            self.due_ms = i64::MAX;
        }
    }

    /// Goes on with the round of active expiry, if one is under way: hands expired entries to
    /// `out`, segment by segment, skipping those where nothing can be due. Ends when all had their
    /// turn once, or when `work_limit` is used up: an entry looked at costs 1, and so does a
    /// segment skipped; it may be exceeded by one segment ([`crate::table::SEGMENT_ELEMENTS_MAX`]).
    pub fn expire_some(
        &mut self,
        now_ms: i64,
        work_limit: usize,
        out: &mut impl FnMut(Entry),
    ) -> ExpireProgress {
        let mut progress = ExpireProgress { work: 0, examined: 0, expired: 0, more: false };
        while let Some(position) = self.round {
            if progress.work >= work_limit {
                progress.more = true;
                break;
            }
            let sweep = self.entries.sweep(
                position,
                |expiries| expiries.due_ms(now_ms) < now_ms,
                |entry| entry.is_expired(now_ms),
                |entry| self.hasher.hash(entry.key()),
                &mut *out,
                |expiries, sweep| {
                    expiries.rest(now_ms, sweep);
                    self.due_ms = self.due_ms.min(expiries.due_ms(now_ms));
                },
            );
            self.round = sweep.next;
            self.expires_len -= sweep.taken;
            progress.examined += sweep.examined;
            progress.expired += sweep.taken;
            progress.work += sweep.examined.max(1);
        }
        progress
    }

    /// The average time to live of keys that expire, in milliseconds, estimated from a sample.
    /// 0 when there are none.
    pub fn average_ttl_ms(&self, now_ms: i64, random: &mut Random) -> i64 {
        if self.expires_len == 0 {
            return 0;
        }
        let (mut sum, mut count) = (0_i128, 0_i128);
        for _ in 0..TTL_SAMPLES {
            let Some(expiry) = self.random(random).and_then(Entry::expiry) else { continue };
            sum += i128::from((expiry - now_ms).max(0));
            count += 1;
        }
        if count == 0 { 0 } else { (sum / count) as i64 }
    }

    /// Heap bytes of the table, without the entries' own.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.entries.memory_bytes()
    }
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
