//! The sorted set value: members with scores, packed while few and short, then a table and a tree.
//!
//! In: members, scores, ranges and `Limits`. Out: scores, ranks, and members in order.
//! Invariant: no member stands twice; no score is NaN; order is by score, then by the member's
//! bytes; a tree never turns back into a pack.
//!
//! Every range of scores or members is first turned into a span of ranks, in O(log n); counting,
//! showing and removing go by spans only.

use crate::limits::Limits;
use crate::memory;
use crate::pack::{self, Pack};
use crate::rank_tree;
use crate::sample::{self, index_below};
use crate::score_index::{Remains, ScoreIndex};
use ringlet_base::random::Random;
use std::cmp::Ordering;
use std::ops::Range;

/// One end of a range of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreBound {
    /// The score; not NaN.
    pub score: f64,
    /// Whether the score itself is outside (`(1.5`).
    pub exclusive: bool,
}

/// A range of scores (`ZRANGEBYSCORE`, `ZCOUNT`...).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreRange {
    /// The lower end.
    pub min: ScoreBound,
    /// The upper end.
    pub max: ScoreBound,
}

/// One end of a range of members, as sorted sets with equal scores are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// `-`: before all members.
    Lowest,
    /// `+`: behind all members.
    Highest,
    /// `[member`.
    Inclusive(&'a [u8]),
    /// `(member`.
    Exclusive(&'a [u8]),
}

/// A range of members (`ZRANGEBYLEX`, `ZLEXCOUNT`...).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LexRange<'a> {
    /// The lower end.
    pub min: LexBound<'a>,
    /// The upper end.
    pub max: LexBound<'a>,
}

impl ScoreRange {
    /// Whether a score lies below the range.
    fn is_below(&self, score: f64) -> bool {
        if self.min.exclusive { score <= self.min.score } else { score < self.min.score }
    }

    /// Whether a score lies below the upper end.
    fn is_not_above(&self, score: f64) -> bool {
        if self.max.exclusive { score < self.max.score } else { score <= self.max.score }
    }
}

impl LexRange<'_> {
    fn is_below(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Inclusive(bound) => member < bound,
            LexBound::Exclusive(bound) => member <= bound,
        }
    }

    fn is_not_above(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Inclusive(bound) => member <= bound,
            LexBound::Exclusive(bound) => member < bound,
        }
    }
}

/// The order of sorted sets: by score, then by the member's bytes.
pub(crate) fn compare(left: (f64, &[u8]), right: (f64, &[u8])) -> Ordering {
    // Scores are never NaN; -0.0 and 0.0 are equal, as in Redis.
    left.0.partial_cmp(&right.0).unwrap_or(Ordering::Equal).then_with(|| left.1.cmp(right.1))
}

#[derive(Debug)]
enum Repr {
    /// Member, score, member, score... in order. A score is its 8 bytes, low first.
    Pack(Pack),
    Tree(Box<ScoreIndex>),
}

/// A set of byte strings ordered by scores.
#[derive(Debug)]
pub struct SortedSet(Repr);

/// To remove a member alone costs about as much as to move this many into a new tree. So when at
/// least one in this many goes, the others move.
const REBUILD_SHARE: usize = 4;
/// Fewer members are removed one by one.
const REBUILD_MIN: usize = 64;

/// What [`SortedSet::remove_span`] did.
#[derive(Debug)]
#[must_use = "what is left may be too big to be freed at once"]
pub struct Removed {
    /// How many members it removed.
    pub count: usize,
    /// Memory that is left, if any, for a `Graveyard`.
    pub debris: Option<SortedSet>,
}

/// A sorted set that was given up, to be freed in slices.
pub(crate) type SortedSetRemains = Remains;

/// The score at the place behind a member's.
fn score_at(pack: &Pack, place: usize) -> f64 {
    decode_score(pack.at(place))
}

fn decode_score(bytes: &[u8]) -> f64 {
    f64::from_le_bytes(bytes.try_into().expect("scores take 8 bytes"))
}

/// Where a member is in a pack, if anywhere, and where it would go with this score.
fn survey(pack: &Pack, score: f64, member: &[u8]) -> (Option<usize>, usize) {
    let (mut place, mut target) = (pack.first(), None);
    while place < pack.end() {
        let candidate = pack.at(place);
        if candidate == member {
            return (Some(place), place);
        }
        let score_place = pack.next(place);
        if target.is_none()
            && compare((score_at(pack, score_place), candidate), (score, member)).is_gt()
        {
            target = Some(place);
        }
        place = pack.next(score_place);
    }
    (None, target.unwrap_or(place))
}

/// Puts a member with its score before a place of a pack. Redis's listpack keeps whole scores as
/// integers, which know no negative zero; neither does a pack.
fn pack_insert(pack: &mut Pack, place: usize, score: f64, member: &[u8]) {
    let score = if score == 0.0 { 0.0 } else { score };
    if place == pack.end() {
        pack.push_back(member);
        pack.push_back(&score.to_le_bytes());
    } else {
        // The score first: the member then goes before it, at the same distance from the end.
        let from_end = pack.end() - place;
        pack.insert_at(place, &score.to_le_bytes());
        let place = pack.end() - from_end - pack::entry_bytes(size_of::<f64>());
        pack.insert_at(place, member);
    }
}

impl Default for SortedSet {
    fn default() -> Self {
        Self::new()
    }
}

impl SortedSet {
    /// An empty sorted set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Pack(Pack::new()))
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Pack(pack) => pack.len() / 2,
            Repr::Tree(index) => index.len(),
        }
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding that `OBJECT ENCODING` reports: "listpack" or "skiplist" (which here is a
    /// tree).
    #[must_use]
    pub const fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Pack(_) => "listpack",
            Repr::Tree(_) => "skiplist",
        }
    }

    /// Before `additional` members, the longest of `longest` bytes, go in: chooses the encoding for
    /// that many, whether or not they are new. In an empty sorted set, their length counts too. All
    /// as in Redis.
    pub fn prepare(&mut self, additional: usize, longest: usize, limits: &Limits) {
        if additional > limits.zset_max_listpack_entries
            || self.is_empty() && longest > limits.zset_max_listpack_value
        {
            self.become_tree(limits);
        }
    }

    /// The score of a member.
    #[must_use]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Repr::Pack(pack) => pack.find(member, 2).map(|place| score_at(pack, pack.next(place))),
            Repr::Tree(index) => index.score(member),
        }
    }

    /// Whether there is such a member.
    #[must_use]
    pub fn contains(&self, member: &[u8]) -> bool {
        self.score(member).is_some()
    }

    /// Adds a member or changes its score. Returns the score it had. A score that compares equal
    /// stays as it is (`-0` and `0`); a pack keeps `-0` as `0`.
    ///
    /// # Panics
    /// When `score` is NaN, which commands must refuse.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) -> Option<f64> {
        assert!(!score.is_nan(), "commands refuse scores that are not numbers");
        let pack = match &mut self.0 {
            Repr::Tree(index) => return index.insert(member, score),
            Repr::Pack(pack) => pack,
        };
        let (found, target) = survey(pack, score, member);
        if let Some(place) = found {
            let old = score_at(pack, pack.next(place));
            if old != score {
                pack.remove_at(place, 2);
                let (_, target) = survey(pack, score, member);
                pack_insert(pack, target, score, member);
            }
            return Some(old);
        }
        if pack.len() / 2 < limits.zset_max_listpack_entries
            && member.len() <= limits.zset_max_listpack_value
        {
            pack_insert(pack, target, score, member);
            return None;
        }
        self.become_tree(limits);
        self.insert(member, score, limits)
    }

    fn become_tree(&mut self, limits: &Limits) {
        let Repr::Pack(pack) = &self.0 else { return };
        let mut index = Box::new(ScoreIndex::new(limits.hasher));
        pack_pairs(pack.iter()).for_each(|(member, score)| index.push_back(member, score));
        self.0 = Repr::Tree(index);
    }

    /// Removes a member. Returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Repr::Pack(pack) => {
                let place = pack.find(member, 2)?;
                let score = score_at(pack, pack.next(place));
                pack.remove_at(place, 2);
                Some(score)
            }
            Repr::Tree(index) => index.remove(member),
        }
    }

    /// The rank of a member, from 0 for the lowest score, and its score.
    #[must_use]
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Repr::Pack(pack) => pack_pairs(pack.iter())
                .enumerate()
                .find(|(_, (candidate, _))| *candidate == member)
                .map(|(rank, (_, score))| (rank, score)),
            Repr::Tree(index) => {
                let score = index.score(member)?;
                Some((index.rank(score, member), score))
            }
        }
    }

    /// The member with this rank and its score.
    #[must_use]
    pub fn get(&self, rank: usize) -> Option<(&[u8], f64)> {
        match &self.0 {
            Repr::Pack(pack) => {
                let place = (rank < pack.len() / 2).then(|| pack.seek(rank * 2))?;
                Some((pack.at(place), score_at(pack, pack.next(place))))
            }
            Repr::Tree(index) => index.get(rank),
        }
    }

    /// The rank of the first member that is not before some boundary.
    fn partition(&self, mut before: impl FnMut(f64, &[u8]) -> bool) -> usize {
        match &self.0 {
            Repr::Pack(pack) => {
                pack_pairs(pack.iter()).take_while(|(member, score)| before(*score, member)).count()
            }
            Repr::Tree(index) => index.partition(before),
        }
    }

    /// The ranks of the members whose scores lie in `range`; empty when there are none.
    #[must_use]
    pub fn score_span(&self, range: &ScoreRange) -> Range<usize> {
        let start = self.partition(|score, _| range.is_below(score));
        let end = self.partition(|score, _| range.is_not_above(score));
        start..end.max(start)
    }

    /// The ranks of the members that lie in `range`. Only sensible while all scores are equal, as
    /// in Redis.
    #[must_use]
    pub fn lex_span(&self, range: &LexRange<'_>) -> Range<usize> {
        let start = self.partition(|_, member| range.is_below(member));
        let end = self.partition(|_, member| range.is_not_above(member));
        start..end.max(start)
    }

    /// All members with their scores, in order; `rev()` goes backwards.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        self.range(0..self.len())
    }

    /// The members whose ranks lie in `span` (cut to the members there are), in order of rank;
    /// `rev()` goes backwards.
    #[must_use]
    pub fn range(&self, span: Range<usize>) -> Iter<'_> {
        let end = span.end.min(self.len());
        let start = span.start.min(end);
        Iter(match &self.0 {
            Repr::Pack(pack) => IterRepr::Pack(pack.range(start * 2, end * 2)),
            Repr::Tree(index) => IterRepr::Tree(index, index.range(start, end)),
        })
    }

    /// Removes the members whose ranks lie in `span` (cut to the members there are). What is
    /// removed can be shown before by [`Self::range`] (`ZPOPMIN`, `ZPOPMAX`).
    pub fn remove_span(&mut self, span: Range<usize>) -> Removed {
        let end = span.end.min(self.len());
        let count = end.saturating_sub(span.start);
        let mut debris = None;
        match &mut self.0 {
            _ if count == 0 => {}
            Repr::Pack(pack) => pack.remove(span.start * 2, count * 2),
            Repr::Tree(index) if count >= REBUILD_MIN && index.len() / REBUILD_SHARE <= count => {
                let old = index.rebuild_without(span.start..end);
                debris = Some(Self(Repr::Tree(Box::new(old))));
            }
            Repr::Tree(index) => (0..count).for_each(|_| index.remove_rank(span.start)),
        }
        Removed { count, debris }
    }

    /// Takes out the member with the lowest score (`ZPOPMIN`).
    pub fn pop_min(&mut self) -> Option<(Vec<u8>, f64)> {
        self.pop(0)
    }

    /// Takes out the member with the highest score (`ZPOPMAX`).
    pub fn pop_max(&mut self) -> Option<(Vec<u8>, f64)> {
        self.pop(self.len().checked_sub(1)?)
    }

    fn pop(&mut self, rank: usize) -> Option<(Vec<u8>, f64)> {
        let (member, score) = self.get(rank)?;
        let member = member.to_vec();
        drop(self.remove_span(rank..rank + 1));
        Some((member, score))
    }

    /// A member with its score, each equally likely. `None` when there are none.
    pub fn random(&self, random: &mut Random) -> Option<(&[u8], f64)> {
        if self.is_empty() { None } else { self.get(index_below(random, self.len())) }
    }

    /// `count` different members with their scores, each choice equally likely, in order; all of
    /// them when there are no more (`ZRANDMEMBER` with a positive count).
    pub fn random_distinct(
        &self,
        count: usize,
        random: &mut Random,
        mut visit: impl FnMut(&[u8], f64),
    ) {
        if count < self.len() / 4 {
            for rank in sample::distinct_below(random, self.len(), count) {
                if let Some((member, score)) = self.get(rank) {
                    visit(member, score);
                }
            }
        } else {
            let visit_pair = |(member, score): (&[u8], f64)| visit(member, score);
            sample::visit_chosen(self.iter(), self.len(), count, random, visit_pair);
        }
    }

    /// One step of `ZSCAN`; see [`crate::table::Table::scan`]. A pack is shown whole, in one step.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match &self.0 {
            Repr::Pack(_) => {
                self.iter().for_each(|(member, score)| visit(member, score));
                0
            }
            Repr::Tree(index) => index.scan(cursor, count, visit),
        }
    }

    /// A copy of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match &self.0 {
            Repr::Pack(pack) => Self(Repr::Pack(pack.clone())),
            Repr::Tree(index) => {
                let mut copy = Box::new(ScoreIndex::new(index.hasher()));
                self.iter().for_each(|(member, score)| copy.push_back(member, score));
                Self(Repr::Tree(copy))
            }
        }
    }

    /// Heap bytes, the sorted set itself included; big ones are sampled.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        memory::boxed_bytes::<Self>()
            + match &self.0 {
                Repr::Pack(pack) => pack.memory_bytes(),
                Repr::Tree(index) => index.memory_bytes(),
            }
    }

    /// Table and tree, when there are any, to be freed in slices.
    pub(crate) fn into_remains(self) -> Option<Remains> {
        match self.0 {
            Repr::Pack(_) => None,
            Repr::Tree(index) => Some(index.into_remains()),
        }
    }

    /// Whether it is more than a pack.
    pub(crate) const fn is_tree(&self) -> bool {
        matches!(self.0, Repr::Tree(_))
    }

    /// Checks the invariants.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        assert!(
            self.iter().is_sorted_by(|left, right| {
                compare((left.1, left.0), (right.1, right.0)).is_lt()
            })
        );
        if let Repr::Tree(index) = &self.0 {
            index.check();
        }
    }
}

/// Pairs of member and score.
fn pack_pairs(mut elements: pack::Iter<'_>) -> impl Iterator<Item = (&[u8], f64)> {
    std::iter::from_fn(move || Some((elements.next()?, decode_score(elements.next()?))))
}

/// Members with their scores in order of rank, from either end.
#[derive(Debug, Clone)]
pub struct Iter<'a>(IterRepr<'a>);

#[derive(Debug, Clone)]
enum IterRepr<'a> {
    Pack(pack::Iter<'a>),
    Tree(&'a ScoreIndex, rank_tree::Iter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Pack(pack) => {
                let member = pack.next()?;
                Some((member, decode_score(pack.next()?)))
            }
            IterRepr::Tree(index, ranked) => ranked.next().map(|ranked| index.pair(ranked)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match &self.0 {
            IterRepr::Pack(pack) => pack.len() / 2,
            IterRepr::Tree(_, ranked) => ranked.size_hint().0,
        };
        (len, Some(len))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Pack(pack) => {
                let score = decode_score(pack.next_back()?);
                Some((pack.next_back()?, score))
            }
            IterRepr::Tree(index, ranked) => ranked.next_back().map(|ranked| index.pair(ranked)),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}
