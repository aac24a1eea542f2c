//! What the store must be told from outside: Redis's encoding thresholds and the hash seed.
//!
//! In: values from the configuration. Out: one struct that every mutation of a collection borrows.
//! Invariant: a change applies to later mutations only; a collection never converts by itself.

use crate::hasher::KeyHasher;

/// Thresholds at which collections leave their compact encoding, named as in `redis.conf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `list-max-listpack-size`: -1 to -5 for 4, 8, 16, 32, 64 KiB, or a positive count of
    /// elements.
    pub list_max_listpack_size: i32,
    /// `hash-max-listpack-entries`, in fields.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`, in bytes of a field or a value.
    pub hash_max_listpack_value: usize,
    /// `set-max-intset-entries`, in members.
    pub set_max_intset_entries: usize,
    /// `set-max-listpack-entries`, in members.
    pub set_max_listpack_entries: usize,
    /// `set-max-listpack-value`, in bytes of a member.
    pub set_max_listpack_value: usize,
    /// `zset-max-listpack-entries`, in members.
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`, in bytes of a member.
    pub zset_max_listpack_value: usize,
    /// Hashes the keys of databases, and the fields and members of collections that have become
    /// tables.
    pub hasher: KeyHasher,
}

impl Limits {
    /// The defaults of Redis 7.2.
    #[must_use]
    pub const fn new(hasher: KeyHasher) -> Self {
        Self {
            list_max_listpack_size: -2,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            hasher,
        }
    }
}

impl Default for Limits {
    /// As [`Self::new`] with the hasher of this process.
    fn default() -> Self {
        Self::new(KeyHasher::of_process())
    }
}
