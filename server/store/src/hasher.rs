//! The hash function of all tables of a process.
//!
//! In: a seed, drawn once per process. Out: 64-bit hashes of keys.
//! Invariant: equal keys have equal hashes in every table made with the same hasher, so entries can
//! move between cores; nobody outside can foresee collisions while the seed is secret.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

/// Hashes keys, fields and members. Copies of it give the same hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHasher {
    seed: [u64; 4],
}

impl KeyHasher {
    /// A hasher that depends on all of `seed`, which tests choose and servers draw at random.
    #[must_use]
    pub const fn new(seed: [u64; 4]) -> Self {
        Self { seed }
    }

    /// The hasher of this process: its seed is drawn from the system's entropy at the first call.
    #[must_use]
    pub fn of_process() -> Self {
        static SEED: OnceLock<[u64; 4]> = OnceLock::new();
        let draw = |_| RandomState::new().build_hasher().finish();
        Self::new(*SEED.get_or_init(|| std::array::from_fn(draw)))
    }

    /// The hash of a key.
    #[inline]
    #[must_use]
    pub fn hash(self, key: &[u8]) -> u64 {
        let [a, b, c, d] = self.seed;
        // Not `hash_one`: that would also hash the length, which `write` mixes in already.
        let mut hasher = ahash::RandomState::with_seeds(a, b, c, d).build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

impl std::fmt::Debug for KeyHasher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The seed is a secret.
        formatter.write_str("KeyHasher")
    }
}
