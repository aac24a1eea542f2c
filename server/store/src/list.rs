//! The list value: short packs of elements in a row.
//!
//! Job: cheap pushes and pops at both ends, access by index from the nearer end.
//! In: elements and `Limits`. Out: elements, in either direction.
//! Invariant: `len` is the sum of the nodes' lengths; no node is empty; a list that reports
//! "listpack" has one node at most.

use crate::limits::Limits;
use crate::memory;
use crate::pack::{self, Pack};
use std::collections::VecDeque;

/// Redis bounds a node by this size when the configured limit is a count of elements.
const NODE_BYTES_SAFE: usize = 8192;

/// Bytes of a listpack around its entries, which Redis counts with them.
const FRAME_BYTES: usize = 7;

/// Bytes and elements that a node may have; one element is always allowed.
#[derive(Debug, Clone, Copy)]
struct NodeLimit {
    bytes: usize,
    count: usize,
}

impl NodeLimit {
    fn new(limits: &Limits) -> Self {
        match limits.list_max_listpack_size {
            0 => Self { bytes: NODE_BYTES_SAFE, count: 1 },
            count @ 1.. => Self { bytes: NODE_BYTES_SAFE, count: count as usize },
            size => Self { bytes: 2048 << size.unsigned_abs().min(5), count: usize::MAX },
        }
    }

    /// What the only node of a list may have for the list to turn back. Redis halves the configured
    /// limit here, be it of bytes or of elements, and knows no other.
    fn to_turn_back(limits: &Limits) -> Self {
        let limit = Self::new(limits);
        if limits.list_max_listpack_size < 0 {
            Self { bytes: limit.bytes / 2, ..limit }
        } else {
            Self { bytes: usize::MAX, count: limit.count / 2 }
        }
    }

    fn allows(self, bytes: usize, count: usize) -> bool {
        bytes <= self.bytes && count <= self.count
    }

    fn admits(self, node: &Pack, element: &[u8]) -> bool {
        self.allows(node.used_bytes() + pack::entry_bytes(element.len()), node.len() + 1)
    }
}

/// A list of byte strings.
#[derive(Debug, Clone, Default)]
pub struct List {
    nodes: VecDeque<Pack>,
    len: usize,
    quick: bool,
}

/// On which side of the pivot [`List::insert_beside`] puts an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `LINSERT ... BEFORE`.
    Before,
    /// `LINSERT ... AFTER`.
    After,
}

impl List {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: VecDeque::new(), len: 0, quick: false }
    }

    /// The number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The encoding that `OBJECT ENCODING` reports: "listpack" or "quicklist".
    #[must_use]
    pub const fn encoding(&self) -> &'static str {
        if self.quick { "quicklist" } else { "listpack" }
    }

    /// A copy of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        self.clone()
    }

    /// Heap bytes, the list itself included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        memory::boxed_bytes::<Self>()
            + memory::vector_bytes::<Pack>(self.nodes.capacity())
            + self.nodes.iter().map(Pack::memory_bytes).sum::<usize>()
    }

    /// The number of nodes, which is about the number of allocations.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Adds an element at the tail (`RPUSH`).
    pub fn push_back(&mut self, element: &[u8], limits: &Limits) {
        let limit = NodeLimit::new(limits);
        match self.nodes.back_mut() {
            Some(node) if limit.admits(node, element) => node.push_back(element),
            full => {
                full.map(Pack::trim);
                let node = self.new_node(element, limit);
                self.nodes.push_back(node);
            }
        }
        self.len += 1;
    }

    /// Adds an element at the head (`LPUSH`).
    pub fn push_front(&mut self, element: &[u8], limits: &Limits) {
        let limit = NodeLimit::new(limits);
        match self.nodes.front_mut() {
            Some(node) if limit.admits(node, element) => node.push_front(element),
            full => {
                full.map(Pack::trim);
                let node = self.new_node(element, limit);
                self.nodes.push_front(node);
            }
        }
        self.len += 1;
    }

    /// A node with one element, which is about to become one of the list.
    fn new_node(&mut self, element: &[u8], limit: NodeLimit) -> Pack {
        self.quick |= !self.nodes.is_empty() || !limit.admits(&Pack::new(), element);
        if self.nodes.is_empty() {
            // Most lists stay with one node.
            self.nodes.reserve_exact(1);
        }
        let mut node = Pack::new();
        node.push_back(element);
        node
    }

    /// The first element.
    #[must_use]
    pub fn front(&self) -> Option<&[u8]> {
        let node = self.nodes.front()?;
        Some(node.at(node.first()))
    }

    /// The last element.
    #[must_use]
    pub fn back(&self) -> Option<&[u8]> {
        let node = self.nodes.back()?;
        Some(node.at(node.previous(node.end())))
    }

    /// Takes off the first element. To answer without a copy, use [`Self::front`] and
    /// [`Self::remove_range`].
    pub fn pop_front(&mut self, limits: &Limits) -> Option<Vec<u8>> {
        let element = self.front()?.to_vec();
        self.remove_range(0, 1, limits);
        Some(element)
    }

    /// Takes off the last element.
    pub fn pop_back(&mut self, limits: &Limits) -> Option<Vec<u8>> {
        let element = self.back()?.to_vec();
        self.remove_range(self.len - 1, 1, limits);
        Some(element)
    }

    /// Moves the last element to the front (`RPOPLPUSH` and `LMOVE` within one list).
    pub fn rotate_back_to_front(&mut self, limits: &Limits) {
        if let Some(element) = self.pop_back(limits) {
            self.push_front(&element, limits);
        }
    }

    /// Moves the first element to the back.
    pub fn rotate_front_to_back(&mut self, limits: &Limits) {
        if let Some(element) = self.pop_front(limits) {
            self.push_back(&element, limits);
        }
    }

    /// The node that holds `index` (below `len`) and the index within it, found from the nearer
    /// end.
    fn locate(&self, index: usize) -> (usize, usize) {
        debug_assert!(index < self.len);
        if index <= self.len / 2 {
            let mut offset = index;
            for (number, node) in self.nodes.iter().enumerate() {
                if offset < node.len() {
                    return (number, offset);
                }
                offset -= node.len();
            }
        } else {
            let mut behind = self.len - index;
            for (number, node) in self.nodes.iter().enumerate().rev() {
                if behind <= node.len() {
                    return (number, node.len() - behind);
                }
                behind -= node.len();
            }
        }
        unreachable!("the nodes hold `len` elements in all")
    }

    /// The element with this index, counted from the head.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        if index >= self.len {
            return None;
        }
        let (node, offset) = self.locate(index);
        self.nodes[node].get(offset)
    }

    /// Replaces an element (`LSET`). Returns whether there is one with this index.
    pub fn set(&mut self, index: usize, element: &[u8], limits: &Limits) -> bool {
        if index >= self.len {
            return false;
        }
        let limit = NodeLimit::new(limits);
        let (number, offset) = self.locate(index);
        let node = &mut self.nodes[number];
        let place = node.seek(offset);
        let old = node.next(place) - place;
        let bytes = node.used_bytes() - old + pack::entry_bytes(element.len());
        if node.len() == 1 || limit.allows(bytes, node.len()) {
            node.replace_at(place, element);
            self.quick |= !limit.allows(bytes, 1);
        } else {
            node.remove_at(place, 1);
            self.len -= 1;
            self.insert(index, element, limits);
        }
        true
    }

    /// Inserts an element so that it has index `index`, at most [`Self::len`].
    pub fn insert(&mut self, index: usize, element: &[u8], limits: &Limits) {
        if index == 0 {
            return self.push_front(element, limits);
        }
        if index >= self.len {
            return self.push_back(element, limits);
        }
        let limit = NodeLimit::new(limits);
        let (number, offset) = self.locate(index);
        self.len += 1;
        if limit.admits(&self.nodes[number], element) {
            return self.nodes[number].insert(offset, element);
        }
        if offset == 0 && limit.admits(&self.nodes[number - 1], element) {
            return self.nodes[number - 1].push_back(element);
        }
        // The node is full: part it where the element goes, then let the parts find company.
        let node = self.new_node(element, limit);
        self.quick = true;
        if offset > 0 {
            let tail = self.nodes[number].split_off(offset);
            self.nodes.insert(number + 1, tail);
            self.nodes.insert(number + 1, node);
            self.join(number + 2, limit);
            self.join(number + 1, limit);
            self.join(number, limit);
        } else {
            self.nodes.insert(number, node);
        }
    }

    /// Joins node `number` with the one behind it, if there is one and both fit in one.
    fn join(&mut self, number: usize, limit: NodeLimit) {
        let (Some(left), Some(right)) = (self.nodes.get(number), self.nodes.get(number + 1)) else {
            return;
        };
        if limit.allows(left.used_bytes() + right.used_bytes(), left.len() + right.len()) {
            let right = self.nodes.remove(number + 1).expect("looked at above");
            self.nodes[number].append(&right);
        }
    }

    /// Inserts an element beside the first one equal to `pivot` (`LINSERT`). Returns whether there
    /// is one.
    pub fn insert_beside(
        &mut self,
        side: Side,
        pivot: &[u8],
        element: &[u8],
        limits: &Limits,
    ) -> bool {
        let Some(index) = self.iter().position(|candidate| candidate == pivot) else {
            return false;
        };
        self.insert(index + usize::from(side == Side::After), element, limits);
        true
    }

    /// Removes `count` elements from index `start` on, or as many as there are.
    pub fn remove_range(&mut self, start: usize, count: usize, limits: &Limits) {
        if start >= self.len || count == 0 {
            return;
        }
        let mut left = count.min(self.len - start);
        let (mut number, mut offset) = self.locate(start);
        self.len -= left;
        let first_whole = number + usize::from(offset > 0);
        let mut whole_end = first_whole;
        while left > 0 {
            let node = &mut self.nodes[number];
            let here = (node.len() - offset).min(left);
            if here == node.len() {
                whole_end = number + 1;
            } else {
                node.remove(offset, here);
            }
            left -= here;
            offset = 0;
            number += 1;
        }
        if whole_end > first_whole {
            self.nodes.drain(first_whole..whole_end);
        }
        self.settle(limits);
    }

    /// After removals: Redis turns a list back when one node of half the limit is left.
    fn settle(&mut self, limits: &Limits) {
        if self.nodes.is_empty() {
            *self = Self::new();
        } else if self.quick && self.nodes.len() == 1 {
            let half = NodeLimit::to_turn_back(limits);
            self.quick = !half.allows(self.nodes[0].used_bytes() + FRAME_BYTES, self.len);
        }
        if self.nodes.capacity() >= 64 && self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Keeps `count` elements from index `start` on and removes all others (`LTRIM`).
    pub fn trim(&mut self, start: usize, count: usize, limits: &Limits) {
        let start = start.min(self.len);
        let end = start.saturating_add(count).min(self.len);
        self.remove_range(end, self.len - end, limits);
        self.remove_range(0, start, limits);
    }

    /// Removes elements equal to `element` (`LREM`): the first `count` from the head, or from the
    /// tail when `count` is negative, or all when it is 0. Returns how many.
    pub fn remove(&mut self, element: &[u8], count: i64, limits: &Limits) -> usize {
        let wanted = match count {
            0 => usize::MAX,
            count => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
        };
        let mut removed = 0;
        if count >= 0 {
            for node in &mut self.nodes {
                removed += remove_forward(node, element, wanted - removed);
            }
        } else {
            for node in self.nodes.iter_mut().rev() {
                removed += remove_backward(node, element, wanted - removed);
            }
        }
        if removed > 0 {
            self.len -= removed;
            self.nodes.retain(|node| !node.is_empty());
            self.settle(limits);
        }
        removed
    }

    /// Indices of elements equal to `element` (`LPOS`). `rank` says with which match to begin: 1
    /// for the first, -1 for the last and then backwards. At most `count` of them and after looking
    /// at `compare_max` elements at most; 0 means no bound. A `rank` of 0 finds nothing.
    #[must_use]
    pub fn positions(
        &self,
        element: &[u8],
        rank: i64,
        count: usize,
        compare_max: usize,
    ) -> Vec<usize> {
        let Some(skip) = rank.unsigned_abs().checked_sub(1) else { return Vec::new() };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let unbounded = |bound: usize| if bound == 0 { usize::MAX } else { bound };
        let (count, compare_max) = (unbounded(count), unbounded(compare_max));
        let matches = |(_, candidate): &(usize, &[u8])| *candidate == element;
        let index = |(index, _): (usize, &[u8])| index;
        let indexed = (0..self.len).zip(self.iter());
        if rank > 0 {
            indexed.take(compare_max).filter(matches).skip(skip).take(count).map(index).collect()
        } else {
            let backwards = (0..self.len).rev().zip(self.iter().rev());
            backwards.take(compare_max).filter(matches).skip(skip).take(count).map(index).collect()
        }
    }

    /// All elements from the head; `rev()` goes from the tail.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        self.range(0, self.len)
    }

    /// `count` elements from index `start` on, or as many as there are; `rev()` goes backwards.
    #[must_use]
    pub fn range(&self, start: usize, count: usize) -> Iter<'_> {
        let start = start.min(self.len);
        let remaining = count.min(self.len - start);
        let empty = pack::Iter::default();
        if remaining == 0 {
            let front = empty.clone();
            return Iter { nodes: &self.nodes, front, back: empty, next: 0, end: 0, remaining };
        }
        let ((first, offset), (last, last_offset)) =
            (self.locate(start), self.locate(start + remaining - 1));
        let node = &self.nodes[first];
        let front_end = if first == last { last_offset + 1 } else { node.len() };
        let back = if first == last { empty } else { self.nodes[last].range(0, last_offset + 1) };
        Iter {
            nodes: &self.nodes,
            front: node.range(offset, front_end),
            back,
            next: first + 1,
            end: last,
            remaining,
        }
    }

    /// Frees about `count` nodes of a list that is given up. Returns whether any are left.
    pub(crate) fn free_some(&mut self, count: usize) -> bool {
        let keep = self.nodes.len().saturating_sub(count);
        self.nodes.truncate(keep);
        keep > 0
    }
}

fn remove_forward(node: &mut Pack, element: &[u8], wanted: usize) -> usize {
    let (mut removed, mut place) = (0, node.first());
    while removed < wanted && place < node.end() {
        if node.at(place) == element {
            place = node.remove_at(place, 1);
            removed += 1;
        } else {
            place = node.next(place);
        }
    }
    removed
}

fn remove_backward(node: &mut Pack, element: &[u8], wanted: usize) -> usize {
    let (mut removed, mut place) = (0, node.end());
    while removed < wanted && place > node.first() {
        place = node.previous(place);
        if node.at(place) == element {
            place = node.remove_at(place, 1);
            removed += 1;
        }
    }
    removed
}

/// Elements of a list, from either end.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    nodes: &'a VecDeque<Pack>,
    front: pack::Iter<'a>,
    back: pack::Iter<'a>,
    /// Nodes that neither side has begun.
    next: usize,
    end: usize,
    remaining: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.remaining = self.remaining.checked_sub(1)?;
        loop {
            if let Some(element) = self.front.next() {
                return Some(element);
            }
            if self.next >= self.end {
                return self.back.next();
            }
            self.front = self.nodes[self.next].iter();
            self.next += 1;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        loop {
            if let Some(element) = self.back.next_back() {
                return Some(element);
            }
            if self.next >= self.end {
                return self.front.next_back();
            }
            self.end -= 1;
            self.back = self.nodes[self.end].iter();
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
