//! Random numbers for tests.
//!
//! Job: reproducible randomness. In: the variable `RINGLET_SEED`, or nothing. Out: numbers.
//! Invariant: the seed is printed, and the same seed gives the same numbers.

use std::hash::{BuildHasher, RandomState};

/// The seed of a test run, printed so that a failure can be repeated with `RINGLET_SEED=...`.
pub fn seed() -> u64 {
    let seed = std::env::var("RINGLET_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("RINGLET_SEED={seed}");
    seed
}

/// The splitmix64 generator.
pub struct Random(pub u64);

impl Random {
    /// The next 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
