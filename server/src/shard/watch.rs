//! Watched keys: versions of the keys that some connection watches, on the shard that owns them.
//! In: WATCH and UNWATCH at their place in the shard's queue, notices of changes.
//! Out: whether all that a connection watches here is unchanged, asked at EXEC's place in the
//! queue.
//! Invariant: only watched keys cost memory; a version is compared inside the step that executes,
//! so there is no flag that another core could set too late.

use ahash::AHashMap;

use crate::message::Watcher;

/// One watched key.
struct Version {
    number: u64,
    watchers: u32,
}

/// What one connection saw when it said WATCH.
struct Seen {
    db: usize,
    key: Box<[u8]>,
    number: u64,
}

/// All watched keys of one shard.
#[derive(Default)]
pub struct Watched {
    keys: AHashMap<(usize, Box<[u8]>), Version>,
    watchers: AHashMap<Watcher, Vec<Seen>>,
}

impl Watched {
    /// True when nobody watches anything here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of connections that watch something here.
    pub fn watchers_len(&self) -> usize {
        self.watchers.len()
    }

    /// From now on `watcher` wants to know whether this key changes. Twice is once.
    pub fn watch(&mut self, watcher: Watcher, db: usize, key: &[u8]) {
        let seen = self.watchers.entry(watcher).or_default();
        if seen.iter().any(|seen| seen.db == db && *seen.key == *key) {
            return;
        }
        let version =
            self.keys.entry((db, key.into())).or_insert(Version { number: 0, watchers: 0 });
        version.watchers += 1;
        seen.push(Seen { db, key: key.into(), number: version.number });
    }

    /// Forgets all that `watcher` watches here.
    pub fn unwatch(&mut self, watcher: Watcher) {
        for seen in self.watchers.remove(&watcher).unwrap_or_default() {
            let name = (seen.db, seen.key);
            if let Some(version) = self.keys.get_mut(&name) {
                version.watchers -= 1;
                if version.watchers == 0 {
                    self.keys.remove(&name);
                }
            }
        }
    }

    /// True when nothing that `watcher` watches here has changed since it said so; `is_expired`
    /// tells of a key that is still in its table though its time is over (which counts as changed).
    pub fn is_unchanged(
        &self,
        watcher: Watcher,
        is_expired: impl Fn(usize, &[u8]) -> bool,
    ) -> bool {
        let Some(all) = self.watchers.get(&watcher) else { return true };
        all.iter().all(|seen| {
            let version = &self.keys[&(seen.db, seen.key.clone())];
            version.number == seen.number && !is_expired(seen.db, &seen.key)
        })
    }

    /// A key has changed.
    pub fn changed(&mut self, db: usize, key: &[u8]) {
        if self.keys.is_empty() {
            return;
        }
        if let Some(version) = self.keys.get_mut(&(db, key.into())) {
            version.number += 1;
        }
    }

    /// A whole database was emptied or exchanged: those of its keys that `is_affected` have
    /// changed.
    pub fn flushed(&mut self, db: usize, is_affected: impl Fn(&[u8]) -> bool) {
        for ((key_db, key), version) in &mut self.keys {
            if *key_db == db && is_affected(key) {
                version.number += 1;
            }
        }
    }
}
