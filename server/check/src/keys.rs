//! Job: key names that lie on a wanted shard.
//! In: the number of shards of the server under test. Out: names with hash tags.
//! Invariant: shard i owns the i-th of equal contiguous slot ranges; tags keep away from the ends
//! of the ranges, so that the way the server rounds the division does not matter.

use ringlet_base::slot::{SLOT_COUNT, slot};

/// Tags found for every shard; keys of one shard then still differ in their slots.
const TAGS_PER_SHARD: usize = 4;

/// Makes key names for a server with a given number of shards.
#[derive(Clone, Debug)]
pub struct Keys {
    tags: Vec<Vec<String>>,
}

impl Keys {
    /// Finds tags for `shards` shards (at least 1, at most 1024).
    pub fn new(shards: usize) -> Self {
        assert!((1..=1024).contains(&shards), "{shards} is no sensible number of shards");
        let mut tags = vec![Vec::new(); shards];
        let mut number = 0u32;
        while tags.iter().any(|found| found.len() < TAGS_PER_SHARD) {
            let tag = format!("t{number}");
            number += 1;
            if let Some(shard) = middle_of_shard(slot(tag.as_bytes()), shards)
                && tags[shard].len() < TAGS_PER_SHARD
            {
                tags[shard].push(tag);
            }
        }
        Self { tags }
    }

    /// The number of shards.
    pub fn shards(&self) -> usize {
        self.tags.len()
    }

    /// The key `name` on `shard` (counted round when there are fewer shards). Equal names get equal
    /// keys; names that differ in their bytes spread over the slots of the shard.
    pub fn on(&self, shard: usize, name: &str) -> String {
        let tags = &self.tags[shard % self.tags.len()];
        let sum = name.bytes().fold(0usize, |sum, byte| sum + usize::from(byte));
        format!("{name}{{{}}}", tags[sum % tags.len()])
    }
}

/// The shard whose middle half the slot `number` lies in.
fn middle_of_shard(number: u16, shards: usize) -> Option<usize> {
    let scaled = usize::from(number) * shards * 4 / usize::from(SLOT_COUNT);
    (scaled % 4 == 1 || scaled % 4 == 2).then_some(scaled / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_inside_the_slot_range_of_their_shard() {
        for shards in [1, 2, 3, 4, 8, 13] {
            let keys = Keys::new(shards);
            for shard in 0..shards {
                for name in ["a", "b", "c", "longer:name:17"] {
                    let key = keys.on(shard, name);
                    let number = usize::from(slot(key.as_bytes()));
                    assert_eq!(number * shards / usize::from(SLOT_COUNT), shard, "{key}");
                }
            }
        }
    }

    #[test]
    fn keys_of_one_shard_use_several_slots() {
        let keys = Keys::new(4);
        assert_ne!(slot(keys.on(2, "a").as_bytes()), slot(keys.on(2, "b").as_bytes()));
        assert_eq!(keys.on(6, "a"), keys.on(2, "a"));
    }
}
