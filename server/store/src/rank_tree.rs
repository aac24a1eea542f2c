//! A sequence of (score, id) pairs with insertion, removal and access by rank in O(log n).
//!
//! Job: the order of big sorted sets. In: pairs at ranks, monotone tests. Out: pairs, ranks.
//! Invariant: leaves are at equal depth and not empty (but for an empty tree); each branch knows
//! the number of pairs below it and the first of them.
//!
//! The tree itself compares nothing: [`RankTree::partition`] finds the rank where a test turns from
//! true to false, and all else goes by rank. So the caller alone decides on the order, and scores,
//! members and ranges of them need no code of their own here.

use crate::memory;

/// Pairs in a leaf: with the length, 760 bytes.
const LEAF_MAX: usize = 63;
/// Branches in an inner node.
const FAN_MAX: usize = 32;

/// A score and the number of the member that has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ranked {
    pub(crate) score: f64,
    pub(crate) id: u32,
}

#[derive(Debug)]
struct Leaf {
    len: u16,
    ids: [u32; LEAF_MAX],
    scores: [f64; LEAF_MAX],
}

#[derive(Debug)]
enum Node {
    Leaf(Box<Leaf>),
    Inner(Vec<Branch>),
}

#[derive(Debug)]
struct Branch {
    node: Node,
    count: u32,
    first: Ranked,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct RankTree {
    root: Node,
    len: usize,
}

impl Leaf {
    fn new() -> Box<Self> {
        Box::new(Self { len: 0, ids: [0; LEAF_MAX], scores: [0.0; LEAF_MAX] })
    }

    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn get(&self, index: usize) -> Ranked {
        Ranked { score: self.scores[index], id: self.ids[index] }
    }

    fn set(&mut self, index: usize, pair: Ranked) {
        (self.scores[index], self.ids[index]) = (pair.score, pair.id);
    }

    /// Moves what stands from `from` on so that it stands from `to` on.
    fn shift(&mut self, from: usize, to: usize) {
        let end = self.len();
        self.scores.copy_within(from..end, to);
        self.ids.copy_within(from..end, to);
        self.len = (end + to - from) as u16;
    }

    fn insert(&mut self, index: usize, pair: Ranked) {
        self.shift(index, index + 1);
        self.set(index, pair);
    }

    fn remove(&mut self, index: usize) -> Ranked {
        let pair = self.get(index);
        self.shift(index + 1, index);
        pair
    }

    fn append(&mut self, other: &Self, from: usize) {
        let (at, count) = (self.len(), other.len() - from);
        self.scores[at..at + count].copy_from_slice(&other.scores[from..from + count]);
        self.ids[at..at + count].copy_from_slice(&other.ids[from..from + count]);
        self.len += count as u16;
    }

    fn split_off(&mut self, index: usize) -> Box<Self> {
        let mut tail = Self::new();
        tail.append(self, index);
        self.len = index as u16;
        tail
    }
}

/// Where to part a full node that gets something at `index`: at the ends, sequences that grow there
/// keep their nodes full.
fn split_point(index: usize, len: usize) -> usize {
    if index == 0 || index == len { index } else { len / 2 }
}

/// The branch that holds `rank`, and the rank within it. A rank behind the last pair belongs to the
/// last branch.
fn descend(branches: &[Branch], rank: usize) -> (usize, usize) {
    let mut rest = rank;
    for (index, branch) in branches[..branches.len() - 1].iter().enumerate() {
        if rest < branch.count as usize {
            return (index, rest);
        }
        rest -= branch.count as usize;
    }
    (branches.len() - 1, rest)
}

impl Node {
    /// Pairs in a leaf or branches in an inner node.
    fn size(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::Inner(branches) => branches.len(),
        }
    }

    const fn size_max(&self) -> usize {
        match self {
            Self::Leaf(_) => LEAF_MAX,
            Self::Inner(_) => FAN_MAX,
        }
    }

    /// A branch to this node, which is not empty.
    fn into_branch(self) -> Branch {
        let (count, first) = match &self {
            Self::Leaf(leaf) => (u32::from(leaf.len), leaf.get(0)),
            Self::Inner(branches) => {
                (branches.iter().map(|branch| branch.count).sum(), branches[0].first)
            }
        };
        Branch { node: self, count, first }
    }

    /// Inserts at a rank. Returns the right half when the node had to be parted.
    fn insert(&mut self, rank: usize, pair: Ranked) -> Option<Self> {
        match self {
            Self::Leaf(leaf) if leaf.len() < LEAF_MAX => {
                leaf.insert(rank, pair);
                None
            }
            Self::Leaf(leaf) => {
                let at = split_point(rank, LEAF_MAX);
                let mut tail = leaf.split_off(at);
                if rank <= at && at < LEAF_MAX {
                    leaf.insert(rank, pair);
                } else {
                    tail.insert(rank - at, pair);
                }
                Some(Self::Leaf(tail))
            }
            Self::Inner(branches) => {
                let (index, within) = descend(branches, rank);
                let branch = &mut branches[index];
                let parted = branch.node.insert(within, pair);
                branch.count += 1;
                if within == 0 {
                    branch.first = pair;
                }
                let sibling = parted?.into_branch();
                branch.count -= sibling.count;
                Self::insert_branch(branches, index + 1, sibling)
            }
        }
    }

    fn insert_branch(branches: &mut Vec<Branch>, index: usize, branch: Branch) -> Option<Self> {
        if branches.len() < FAN_MAX {
            branches.insert(index, branch);
            return None;
        }
        let at = split_point(index, FAN_MAX);
        let mut tail = Vec::with_capacity(FAN_MAX);
        tail.extend(branches.drain(at..));
        if index <= at && at < FAN_MAX {
            branches.insert(index, branch);
        } else {
            tail.insert(index - at, branch);
        }
        Some(Self::Inner(tail))
    }

    /// Removes the pair at a rank.
    fn remove(&mut self, rank: usize) -> Ranked {
        match self {
            Self::Leaf(leaf) => leaf.remove(rank),
            Self::Inner(branches) => {
                let (index, within) = descend(branches, rank);
                let branch = &mut branches[index];
                let pair = branch.node.remove(within);
                branch.count -= 1;
                if branch.count == 0 {
                    branches.remove(index);
                } else {
                    if within == 0 {
                        branch.first = branch.node.first();
                    }
                    Self::rebalance(branches, index);
                }
                pair
            }
        }
    }

    fn first(&self) -> Ranked {
        match self {
            Self::Leaf(leaf) => leaf.get(0),
            Self::Inner(branches) => branches[0].first,
        }
    }

    /// Joins a sparse node with a neighbour, if both together leave room to grow.
    fn rebalance(branches: &mut Vec<Branch>, index: usize) {
        let node = &branches[index].node;
        if node.size() >= node.size_max() / 4 {
            return;
        }
        let fits = |left: usize| {
            branches.get(left + 1).is_some_and(|right| {
                let sum = branches[left].node.size() + right.node.size();
                sum <= right.node.size_max() * 3 / 4
            })
        };
        let left = if fits(index) {
            index
        } else if index > 0 && fits(index - 1) {
            index - 1
        } else {
            return;
        };
        let right = branches.remove(left + 1);
        let target = &mut branches[left];
        target.count += right.count;
        match (&mut target.node, right.node) {
            (Self::Leaf(leaf), Self::Leaf(other)) => leaf.append(&other, 0),
            (Self::Inner(own), Self::Inner(other)) => own.extend(other),
            _ => unreachable!("neighbours are at equal depth"),
        }
    }

    /// Gives the pair at a rank another id.
    fn set_id(&mut self, rank: usize, id: u32) {
        match self {
            Self::Leaf(leaf) => leaf.ids[rank] = id,
            Self::Inner(branches) => {
                let (index, within) = descend(branches, rank);
                branches[index].node.set_id(within, id);
                if within == 0 {
                    branches[index].first.id = id;
                }
            }
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Leaf(_) => memory::boxed_bytes::<Leaf>(),
            Self::Inner(branches) => {
                memory::vector_bytes::<Branch>(branches.capacity())
                    + branches.iter().map(|branch| branch.node.memory_bytes()).sum::<usize>()
            }
        }
    }

    /// Frees leaves from the end until `count` has reached `limit`. Returns whether any are left.
    fn free_some(&mut self, limit: usize, count: &mut usize) -> bool {
        let Self::Inner(branches) = self else {
            *count += 1;
            return false;
        };
        while *count < limit {
            let Some(last) = branches.last_mut() else { return false };
            if !last.node.free_some(limit, count) {
                branches.pop();
            }
        }
        !branches.is_empty()
    }
}

impl RankTree {
    pub(crate) fn new() -> Self {
        Self { root: Node::Leaf(Leaf::new()), len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Inserts a pair so that it has this rank, at most `len`.
    pub(crate) fn insert(&mut self, rank: usize, pair: Ranked) {
        assert!(rank <= self.len, "rank {rank} of {}", self.len);
        self.len += 1;
        if let Some(right) = self.root.insert(rank, pair) {
            let left = std::mem::replace(&mut self.root, Node::Inner(Vec::with_capacity(FAN_MAX)));
            if let Node::Inner(branches) = &mut self.root {
                branches.extend([left.into_branch(), right.into_branch()]);
            }
        }
    }

    /// Removes the pair with this rank, below `len`.
    pub(crate) fn remove(&mut self, rank: usize) -> Ranked {
        assert!(rank < self.len, "rank {rank} of {}", self.len);
        self.len -= 1;
        let pair = self.root.remove(rank);
        while let Node::Inner(branches) = &mut self.root
            && branches.len() <= 1
        {
            self.root = branches.pop().map_or_else(|| Node::Leaf(Leaf::new()), |only| only.node);
        }
        pair
    }

    /// Gives the pair with this rank another id.
    pub(crate) fn set_id(&mut self, rank: usize, id: u32) {
        self.root.set_id(rank, id);
    }

    /// The rank of the first pair for which `before` is false, `len` when there is none. `before`
    /// is true for all pairs up to some rank and false for all from there on.
    pub(crate) fn partition(&self, mut before: impl FnMut(Ranked) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        while let Node::Inner(branches) = node {
            // The turn lies in the last branch whose first pair is still before it.
            let after = branches.partition_point(|branch| before(branch.first));
            let Some(index) = after.checked_sub(1) else { return rank };
            rank += branches[..index].iter().map(|branch| branch.count as usize).sum::<usize>();
            node = &branches[index].node;
        }
        let Node::Leaf(leaf) = node else { unreachable!("the loop ends at a leaf") };
        let (mut low, mut high) = (0, leaf.len());
        while low < high {
            let middle = (low + high) / 2;
            if before(leaf.get(middle)) { low = middle + 1 } else { high = middle }
        }
        rank + low
    }

    /// The leaf that holds a rank (below `len`), and the place in it.
    fn leaf_of(&self, rank: usize) -> (&Leaf, usize) {
        let (mut node, mut within) = (&self.root, rank);
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, within),
                Node::Inner(branches) => {
                    let (index, rest) = descend(branches, within);
                    (node, within) = (&branches[index].node, rest);
                }
            }
        }
    }

    /// The pair with this rank.
    pub(crate) fn get(&self, rank: usize) -> Option<Ranked> {
        if rank >= self.len {
            return None;
        }
        let (leaf, place) = self.leaf_of(rank);
        Some(leaf.get(place))
    }

    /// The pairs with ranks in `start..end`, which are within bounds; from either end.
    pub(crate) fn range(&self, start: usize, end: usize) -> Iter<'_> {
        debug_assert!(start <= end && end <= self.len);
        Iter { tree: self, start, end, front: None, back: None }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.root.memory_bytes()
    }

    /// Frees leaves of a tree that is given up, adding to `count`, until it reaches `limit`.
    /// Returns whether any are left.
    pub(crate) fn free_some(&mut self, limit: usize, count: &mut usize) -> bool {
        self.root.free_some(limit, count)
    }

    /// Checks the invariants.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        fn walk(node: &Node, is_root: bool, depth: usize, depths: &mut Vec<usize>) -> usize {
            assert!(node.size() <= node.size_max());
            match node {
                Node::Leaf(leaf) => {
                    assert!(is_root || leaf.len() > 0, "no empty leaves");
                    depths.push(depth);
                    leaf.len()
                }
                Node::Inner(branches) => {
                    assert!(branches.len() > usize::from(is_root), "no needless levels");
                    for branch in branches {
                        assert_eq!(
                            walk(&branch.node, false, depth + 1, depths),
                            branch.count as usize
                        );
                        assert_eq!(branch.node.first(), branch.first);
                    }
                    branches.iter().map(|branch| branch.count as usize).sum()
                }
            }
        }
        let mut depths = Vec::new();
        assert_eq!(walk(&self.root, true, 0, &mut depths), self.len);
        assert!(depths.iter().all(|depth| *depth == depths[0]), "leaves at equal depth");
        // Merging keeps the tree from becoming hollow.
        assert!(depths.len() <= self.len / (LEAF_MAX / 4) + 2, "{} leaves", depths.len());
    }
}

/// Pairs in order of rank, from either end. Finds each leaf anew, in O(log n) per leaf.
#[derive(Debug, Clone)]
pub(crate) struct Iter<'a> {
    tree: &'a RankTree,
    start: usize,
    end: usize,
    /// The leaf that holds `start`, and its place there.
    front: Option<(&'a Leaf, usize)>,
    /// The leaf that holds `end - 1`, and the place behind it.
    back: Option<(&'a Leaf, usize)>,
}

impl Iterator for Iter<'_> {
    type Item = Ranked;

    #[inline]
    fn next(&mut self) -> Option<Ranked> {
        if self.start >= self.end {
            return None;
        }
        let (leaf, place) = match self.front {
            Some((leaf, place)) if place < leaf.len() => (leaf, place),
            _ => self.tree.leaf_of(self.start),
        };
        self.front = Some((leaf, place + 1));
        self.start += 1;
        Some(leaf.get(place))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.start, Some(self.end - self.start))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Ranked> {
        if self.start >= self.end {
            return None;
        }
        let (leaf, place) = match self.back {
            Some((leaf, behind @ 1..)) => (leaf, behind - 1),
            _ => self.tree.leaf_of(self.end - 1),
        };
        self.back = Some((leaf, place));
        self.end -= 1;
        Some(leaf.get(place))
    }
}

#[cfg(test)]
#[path = "rank_tree_tests.rs"]
mod tests;
