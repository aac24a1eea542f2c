//! The form of big sorted sets: members in an array, a table that finds them, a tree that orders
//! them.
//!
//! In: members and scores. Out: scores, ranks, members in order.
//! Invariant: the members have the numbers `0..len`; table and tree hold each number exactly once.
//! A member's bytes are stored once only; table and tree spend 4 and 12 bytes on it.

use crate::chunks::Chunks;
use crate::hash::MEMORY_SAMPLES;
use crate::hasher::KeyHasher;
use crate::memory;
use crate::rank_tree::{self, RankTree, Ranked};
use crate::record::Member;
use crate::sample;
use crate::sorted_set::compare;
use crate::table::{self, Table};
use std::ops::Range;

#[derive(Debug)]
struct Item {
    score: f64,
    member: Member,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct ScoreIndex {
    items: Chunks<Item>,
    ids: Table<u32>,
    order: RankTree,
    hasher: KeyHasher,
}

impl ScoreIndex {
    pub(crate) fn new(hasher: KeyHasher) -> Self {
        Self { items: Chunks::new(), ids: Table::new(), order: RankTree::new(), hasher }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    fn item(&self, id: u32) -> &Item {
        self.items.get(id as usize)
    }

    fn find(&self, member: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash(member);
        self.ids.find(hash, |id| self.item(*id).member.bytes() == member).copied()
    }

    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(member).map(|id| self.item(id).score)
    }

    /// The member and score of a pair of the tree.
    #[inline]
    pub(crate) fn pair(&self, ranked: Ranked) -> (&[u8], f64) {
        (self.item(ranked.id).member.bytes(), ranked.score)
    }

    pub(crate) fn partition(&self, mut before: impl FnMut(f64, &[u8]) -> bool) -> usize {
        self.order.partition(|ranked| {
            let (member, score) = self.pair(ranked);
            before(score, member)
        })
    }

    /// The rank of a member that is there, or the one it would get.
    pub(crate) fn rank(&self, score: f64, member: &[u8]) -> usize {
        self.order.partition(|ranked| {
            // Look at the member, which lies elsewhere in memory, only where scores do not decide.
            if ranked.score == score {
                compare((ranked.score, self.item(ranked.id).member.bytes()), (score, member))
                    .is_lt()
            } else {
                ranked.score < score
            }
        })
    }

    pub(crate) fn get(&self, rank: usize) -> Option<(&[u8], f64)> {
        self.order.get(rank).map(|ranked| self.pair(ranked))
    }

    pub(crate) fn range(&self, start: usize, end: usize) -> rank_tree::Iter<'_> {
        self.order.range(start, end)
    }

    fn add(&mut self, rank: usize, item: Item) {
        let (hash, score) = (self.hasher.hash(item.member.bytes()), item.score);
        let id = self.items.push(item);
        let id = u32::try_from(id).expect("fewer than 2^32 members");
        let items = &self.items;
        self.ids.insert(hash, id, |id| self.hasher.hash(items.get(*id as usize).member.bytes()));
        self.order.insert(rank, Ranked { score, id });
    }

    /// Adds a new member that comes behind all others.
    pub(crate) fn push_back(&mut self, member: &[u8], score: f64) {
        self.add(self.len(), Item { score, member: Member::new(member) });
    }

    /// Adds a member or changes its score; returns the old one.
    pub(crate) fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let Some(id) = self.find(member) else {
            let item = Item { score, member: Member::new(member) };
            self.add(self.rank(score, member), item);
            return None;
        };
        let old = self.item(id).score;
        if old != score {
            self.order.remove(self.rank(old, member));
            self.order.insert(self.rank(score, member), Ranked { score, id });
            self.items.get_mut(id as usize).score = score;
        }
        Some(old)
    }

    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.score(member)?;
        self.remove_rank(self.rank(score, member));
        Some(score)
    }

    /// Removes the member with this rank.
    pub(crate) fn remove_rank(&mut self, rank: usize) {
        let id = self.order.remove(rank).id;
        self.forget(id);
        // The last member takes over the number, so that numbers stay dense.
        let last = u32::try_from(self.items.len() - 1).expect("fewer than 2^32 members");
        if id != last {
            let item = self.item(last);
            let (hash, rank) =
                (self.hasher.hash(item.member.bytes()), self.rank(item.score, item.member.bytes()));
            self.order.set_id(rank, id);
            let entry = self.ids.find_mut(hash, |candidate| *candidate == last);
            *entry.expect("every member is in the table") = id;
        }
        self.items.swap_remove(id as usize);
    }

    /// Removes the members with these ranks by moving all others into a new index. Returns the old
    /// one, in which there is nothing but memory to free.
    pub(crate) fn rebuild_without(&mut self, span: Range<usize>) -> Self {
        let mut old = std::mem::replace(self, Self::new(self.hasher));
        let Self { items, order, .. } = &mut old;
        let kept = order.range(0, span.start).chain(order.range(span.end, order.len()));
        for Ranked { score, id } in kept {
            let hole = Item { score, member: Member::new(b"") };
            let item = std::mem::replace(items.get_mut(id as usize), hole);
            self.add(self.len(), item);
        }
        old
    }

    /// Takes a number out of the table.
    fn forget(&mut self, id: u32) {
        let items = &self.items;
        let rehash = |id: &u32| self.hasher.hash(items.get(*id as usize).member.bytes());
        let removed = self.ids.remove(rehash(&id), |candidate| *candidate == id, rehash);
        assert!(removed.is_some(), "every member is in the table");
    }

    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.ids.scan(
            cursor,
            count,
            |id| self.hasher.hash(self.item(*id).member.bytes()),
            |id| {
                let item = self.item(*id);
                visit(item.member.bytes(), item.score);
            },
        )
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let sizes = self.items.iter().take(MEMORY_SAMPLES).map(|item| item.member.memory_bytes());
        memory::boxed_bytes::<Self>()
            + self.items.memory_bytes()
            + self.ids.memory_bytes()
            + self.order.memory_bytes()
            + sample::extrapolate(sizes, self.len())
    }

    pub(crate) fn into_remains(self) -> Remains {
        Remains { items: self.items, ids: Some(self.ids.into_remains()), order: Some(self.order) }
    }

    /// Checks the invariants.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        self.order.check();
        assert_eq!((self.ids.len(), self.items.len()), (self.len(), self.len()));
        for (rank, ranked) in self.range(0, self.len()).enumerate() {
            let item = self.item(ranked.id);
            assert_eq!(item.score.to_bits(), ranked.score.to_bits());
            assert_eq!(self.find(item.member.bytes()), Some(ranked.id));
            assert_eq!(self.rank(item.score, item.member.bytes()), rank);
        }
    }
}

/// What is left of a big sorted set that was given up.
#[derive(Debug)]
pub(crate) struct Remains {
    items: Chunks<Item>,
    ids: Option<table::Remains<u32>>,
    order: Option<RankTree>,
}

impl Remains {
    /// Frees about `limit` blocks, adding to `count`. Returns whether any are left.
    pub(crate) fn free_some(&mut self, limit: usize, count: &mut usize) -> bool {
        while *count < limit {
            if self.items.pop().is_some() {
                *count += 1;
            } else if let Some(order) = &mut self.order {
                if !order.free_some(limit, count) {
                    self.order = None;
                }
            } else if let Some(ids) = &mut self.ids {
                if !ids.take_some(limit - *count, |_| *count += 1) {
                    self.ids = None;
                }
            } else {
                return false;
            }
        }
        true
    }
}
