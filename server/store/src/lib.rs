//! The data structures of a shard: keys, values, expiries, and nothing else.
//!
//! Job: hold a shard's part of the keyspace compactly, and never pause for longer than it takes to
//! move one segment of a table. In: bytes, numbers, times as values, thresholds as [`Limits`].
//! Out: views of values, counts, estimates of memory.
//! Invariant: no protocol, no I/O, no clock; the only global is the hash seed. All values are
//! `Send`, so that an entry moves between cores whole.
//!
//! From bottom to top: packs of small elements, [`list`], [`hash`], [`set`], [`sorted_set`]
//! (values); [`object`], [`entry`] (one word per key); [`table`], [`database`] (keyspace);
//! [`graveyard`] (what is freed later).
#![forbid(unsafe_code)]

pub mod access;
mod chunks;
#[cfg(test)]
mod collection_tests;
pub mod database;
pub mod entry;
pub mod graveyard;
pub mod hash;
pub mod hasher;
mod intset;
pub mod limits;
pub mod list;
pub mod memory;
pub mod object;
mod pack;
mod rank_tree;
mod record;
mod sample;
mod score_index;
pub mod set;
pub mod sorted_set;
pub mod table;

pub use database::{Database, ExpireProgress};
pub use entry::Entry;
pub use graveyard::Graveyard;
pub use hash::Hash;
pub use hasher::KeyHasher;
pub use limits::Limits;
pub use list::List;
pub use object::{Kind, Object, ValueMut, ValueRef};
pub use ringlet_base::random::Random;
pub use set::{Set, SetMember};
pub use sorted_set::{LexBound, LexRange, Removed, ScoreBound, ScoreRange, SortedSet};
