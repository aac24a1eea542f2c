//! Keyspace: the keys of one shard in all logical databases.
//! In: lookups and changes from `Context`, expiry and background freeing from the core loop.
//! Out: entries; notices of changed keys for WATCH and for blocked clients.
//! Invariant: every insertion, removal and expiry of an entry passes through this file.

use std::sync::Arc;

use ringlet_store::{Database, Entry, Graveyard, Limits, Random};

use crate::message::Watcher;
use crate::shard::access::Accesses;
use crate::shard::blocked::ReadyKeys;
use crate::shard::kind::{self, ValueType};
use crate::shard::watch::Watched;

/// Counters of one shard that INFO sums over shards.
#[derive(Default, Clone, Debug)]
pub struct KeyspaceStats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys dropped because their time was over.
    pub expired: u64,
    /// Most keys that active expiry has dropped in one pass.
    pub expired_per_pass_max: u64,
    /// Slices of active expiry that ended before all that is due was dropped.
    pub expiry_cut_short: u64,
    /// Changes since the start.
    pub changes: u64,
}

/// What a new keyspace has to know.
#[derive(Clone)]
pub struct KeyspaceSettings {
    /// Number of logical databases.
    pub databases: usize,
    /// Thresholds of the compact encodings, and the key hash with the seed of this process.
    pub limits: Arc<Limits>,
    /// Which shard this is.
    pub shard_index: usize,
    /// How many there are.
    pub shard_count: usize,
    /// Seed of the random choices.
    pub seed: u64,
}

/// The keys of one shard.
pub struct Keyspace {
    /// The logical databases, by index.
    pub databases: Vec<Database>,
    /// Thresholds of the compact encodings, and the key hash with the seed of this process.
    pub limits: Arc<Limits>,
    /// Counters for INFO.
    pub stats: KeyspaceStats,
    /// Versions of the keys that some client watches.
    pub watched: Watched,
    /// Keys that blocked clients wait for.
    pub ready: ReadyKeys,
    /// What is being freed in the background.
    pub graveyard: Graveyard,
    /// Active expiry, as DEBUG SET-ACTIVE-EXPIRE switches it.
    pub active_expiry: bool,
    /// CLIENT PAUSE: keys whose time is over are not seen, but stay where they are.
    pub is_frozen: bool,
    /// Active expiry had more to do than fits one pass.
    pub has_expiry_backlog: bool,
    /// The real one is lent as a whole.
    pub is_stand_in: bool,
    /// The database that active expiry goes on with.
    expire_db: usize,
    /// How the use of keys is noted.
    pub accesses: Accesses,
    /// Which shard this is.
    pub shard_index: usize,
    /// How many there are.
    pub shard_count: usize,
    /// Source of random choices (RANDOMKEY, SPOP, ...).
    pub random: Random,
}

impl Keyspace {
    /// Empty databases.
    pub fn new(settings: &KeyspaceSettings) -> Keyspace {
        let KeyspaceSettings { databases, limits, shard_index, shard_count, seed } = settings;
        Keyspace {
            databases: (0..*databases).map(|_| Database::new(limits.hasher)).collect(),
            limits: limits.clone(),
            stats: KeyspaceStats::default(),
            watched: Watched::default(),
            ready: ReadyKeys::default(),
            graveyard: Graveyard::default(),
            active_expiry: true,
            is_frozen: false,
            has_expiry_backlog: false,
            is_stand_in: false,
            expire_db: 0,
            accesses: Accesses::default(),
            shard_index: *shard_index,
            shard_count: *shard_count,
            random: Random::new(*seed),
        }
    }

    /// The entry of a key for reading: counts a hit or a miss, moves the access time on.
    #[inline]
    pub(crate) fn read(
        &mut self,
        db: usize,
        key: &[u8],
        now_ms: i64,
        no_touch: bool,
    ) -> Option<&Entry> {
        let is_over = self.is_over(db, key, now_ms);
        let Some(entry) = self.databases[db].find_mut(key).filter(|_| !is_over) else {
            self.stats.misses += 1;
            return None;
        };
        self.stats.hits += 1;
        if !no_touch {
            self.accesses.touch(entry, now_ms, &mut self.random);
        }
        Some(entry)
    }

    /// The entry of a key for a change: moves the access time on.
    #[inline]
    pub(crate) fn write(
        &mut self,
        db: usize,
        key: &[u8],
        now_ms: i64,
        no_touch: bool,
    ) -> Option<&mut Entry> {
        if self.is_over(db, key, now_ms) {
            return None;
        }
        let entry = self.databases[db].find_mut(key)?;
        if !no_touch {
            self.accesses.touch(entry, now_ms, &mut self.random);
        }
        Some(entry)
    }

    /// The entry of a key for reading about it: counts a hit or a miss, leaves the access time
    /// alone.
    pub(crate) fn look(&mut self, db: usize, key: &[u8], now_ms: i64) -> Option<&Entry> {
        let is_over = self.is_over(db, key, now_ms);
        let entry = self.databases[db].find(key).filter(|_| !is_over);
        match entry {
            Some(_) => self.stats.hits += 1,
            None => self.stats.misses += 1,
        }
        entry
    }

    /// True for a key whose time is over; drops it.
    #[inline]
    fn is_over(&mut self, db: usize, key: &[u8], now_ms: i64) -> bool {
        let is_over = self.databases[db].expires_len() > 0 && self.is_expired(db, key, now_ms);
        if is_over {
            self.expire(db, key);
        }
        is_over
    }

    pub(crate) fn peek(&self, db: usize, key: &[u8], now_ms: i64) -> Option<&Entry> {
        let entry = self.databases[db].find(key)?;
        (!entry.is_expired(now_ms)).then_some(entry)
    }

    /// True when the key is in its table though its time is over.
    pub fn is_expired(&self, db: usize, key: &[u8], now_ms: i64) -> bool {
        self.databases[db].find(key).is_some_and(|entry| entry.is_expired(now_ms))
    }

    fn expire(&mut self, db: usize, key: &[u8]) {
        if self.is_frozen {
            return;
        }
        if let Some(entry) = self.take_entry(db, key) {
            self.stats.expired += 1;
            // Also a key that is here on loan: its owner must hear of it.
            self.notify(db, key);
            self.bury(entry);
        }
    }

    /// Puts an entry in and frees what it replaces; reports nothing. Also how lent entries come
    /// home.
    pub(crate) fn insert_entry(&mut self, db: usize, entry: Entry) {
        if let Some(replaced) = self.databases[db].insert(entry) {
            self.bury(replaced);
        }
    }

    /// Stores a string, in the memory of what it replaces where that fits; reports nothing.
    #[inline]
    pub(crate) fn set_string(
        &mut self,
        db: usize,
        key: &[u8],
        value: &[u8],
        expiry: Option<i64>,
        now_ms: i64,
    ) {
        let access = self.access_under(db, key, 0, now_ms);
        let replaced = self.databases[db].set_string(key, value, expiry, access);
        if let Some(replaced) = replaced {
            self.bury(replaced);
        }
    }

    /// The access bits of an entry that is put in under a key. Where accesses are counted it keeps
    /// those it brings along (`own`, 0: none), or takes over the count of the entry that it
    /// replaces.
    #[inline]
    pub(crate) fn access_under(&mut self, db: usize, key: &[u8], own: u32, now_ms: i64) -> u32 {
        if self.accesses.are_counted() {
            self.count_under(db, key, own, now_ms)
        } else {
            self.accesses.fresh()
        }
    }

    #[cold]
    fn count_under(&mut self, db: usize, key: &[u8], own: u32, now_ms: i64) -> u32 {
        if own != 0 {
            return own;
        }
        match self.write(db, key, now_ms, false) {
            Some(replaced) => replaced.access(),
            None => self.accesses.fresh(),
        }
    }

    /// Takes an entry out whether expired or not; reports nothing. Also how entries are lent.
    pub(crate) fn take_entry(&mut self, db: usize, key: &[u8]) -> Option<Entry> {
        self.databases[db].remove(key)
    }

    pub(crate) fn set_expiry(&mut self, db: usize, key: &[u8], expiry_ms: Option<i64>) {
        self.databases[db].set_expiry(key, expiry_ms);
    }

    pub(crate) fn is_empty_collection(&self, db: usize, key: &[u8]) -> bool {
        self.databases[db].find(key).is_some_and(kind::is_empty_collection)
    }

    /// What stands here while the whole keyspace is lent: no keys, the same settings.
    pub(crate) fn stand_in(&self) -> Keyspace {
        let settings = KeyspaceSettings {
            databases: self.databases.len(),
            limits: self.limits.clone(),
            shard_index: self.shard_index,
            shard_count: self.shard_count,
            seed: 0,
        };
        Keyspace { is_stand_in: true, ..Keyspace::new(&settings) }
    }

    /// Takes these keys out of all databases, expired or not; reports nothing.
    pub(crate) fn take_everywhere(&mut self, keys: &[Box<[u8]>]) -> Vec<(usize, Entry)> {
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            for (db, database) in self.databases.iter_mut().enumerate() {
                if !database.is_empty()
                    && let Some(entry) = database.remove(key)
                {
                    taken.push((db, entry));
                }
            }
        }
        taken
    }

    /// The type of a key that is there and has not expired.
    pub(crate) fn value_type(&self, db: usize, key: &[u8], now_ms: i64) -> Option<ValueType> {
        self.peek(db, key, now_ms).map(ValueType::of)
    }

    /// A watcher wants to know whether this key changes from now on.
    pub(crate) fn watch(&mut self, watcher: Watcher, db: usize, key: &[u8], now_ms: i64) {
        if self.is_expired(db, key, now_ms) {
            self.expire(db, key);
        }
        self.watched.watch(watcher, db, key);
    }

    /// Frees an entry: at once when that is cheap, otherwise in the background.
    pub(crate) fn bury(&mut self, entry: Entry) {
        self.graveyard.bury(entry);
    }

    pub(crate) fn count_change(&mut self) {
        self.stats.changes += 1;
    }

    /// True when somebody watches keys or waits for some: only then are changes worth a notice.
    #[inline]
    pub(crate) fn has_observers(&self) -> bool {
        !self.watched.is_empty() || !self.ready.is_idle()
    }

    pub(crate) fn notify(&mut self, db: usize, key: &[u8]) {
        self.watched.changed(db, key);
        self.ready.changed(db, key);
    }

    /// Empties a database. The entries are freed in the background, in slices.
    pub fn flush(&mut self, db: usize) {
        let keys = self.databases[db].len() as u64;
        self.stats.changes += keys;
        let database = &self.databases[db];
        self.watched.flushed(db, |key| database.find(key).is_some());
        self.databases[db].clear(&mut self.graveyard);
    }

    /// Exchanges two databases; whoever waits on either sees the other's keys at once.
    pub fn swap(&mut self, first: usize, second: usize) {
        for db in [first, second] {
            let (one, other) = (&self.databases[first], &self.databases[second]);
            self.watched.flushed(db, |key| one.find(key).is_some() || other.find(key).is_some());
        }
        self.databases.swap(first, second);
        self.ready.all_changed(|db| db == first || db == second);
    }

    /// One slice of active expiry: goes on with the round over all databases, or begins one, and
    /// looks at `work_limit` entries and one segment at most. Returns true while the round is not
    /// over.
    pub fn expire_slice(&mut self, now_ms: i64, work_limit: usize) -> bool {
        if !self.active_expiry || self.is_frozen {
            return false;
        }
        let (mut left, mut expired) = (work_limit, 0);
        let mut more = false;
        while !more && self.expire_db < self.databases.len() {
            let db = self.expire_db;
            let Keyspace { databases, watched, graveyard, .. } = self;
            databases[db].start_expiry_round(now_ms);
            let progress = databases[db].expire_some(now_ms, left, &mut |entry: Entry| {
                watched.changed(db, entry.key());
                graveyard.bury(entry);
            });
            left = left.saturating_sub(progress.work);
            expired += progress.expired as u64;
            more = progress.more;
            self.expire_db += usize::from(!more);
        }
        if !more {
            self.expire_db = 0;
        }
        self.stats.expired += expired;
        self.stats.expired_per_pass_max = self.stats.expired_per_pass_max.max(expired);
        self.stats.expiry_cut_short += u64::from(more);
        more
    }

    /// The hash of a key in this process's tables.
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.limits.hasher.hash(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringlet_store::KeyHasher;

    #[test]
    fn databases_in_which_keys_come_due_all_the_time_do_not_keep_active_expiry_busy_for_ever() {
        let limits = Arc::new(Limits::new(KeyHasher::new([1, 2, 3, 4])));
        let settings =
            KeyspaceSettings { databases: 2, limits, shard_index: 0, shard_count: 1, seed: 1 };
        let mut keyspace = Keyspace::new(&settings);
        for (db, keys) in [(0, 20_000), (1, 50_000)] {
            for number in 0..keys {
                let key = format!("key:{number}");
                keyspace.insert_entry(db, Entry::string(key.as_bytes(), b"", Some(1_000_000)));
            }
        }
        // One segment a slice; each database has something due again whenever it is looked at.
        let mut slices = 0;
        loop {
            for db in [0, 1] {
                keyspace.insert_entry(db, Entry::string(b"brief", b"", Some(slices)));
            }
            slices += 1;
            keyspace.has_expiry_backlog = keyspace.expire_slice(slices, 1);
            if !keyspace.has_expiry_backlog {
                break;
            }
            assert!(slices < 130, "the rounds do not end");
        }
        assert!(slices > 50, "{slices}");
        assert!(keyspace.stats.expired >= 2);
    }
}
