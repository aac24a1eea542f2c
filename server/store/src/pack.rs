//! A flat string of byte strings: the compact form of small collections.
//!
//! Job: keep a few short elements in one allocation, with cheap steps in both directions.
//! In: elements. Out: elements by place or by index.
//! Invariant: from `head` on, `bytes` is a row of `count` entries; an entry is the element's length
//! (7 bits per byte, low first, the top bit says that more follow), the element, and the length of
//! both in the same code written backwards, so that it can be read from behind.
//!
//! A *place* is the offset of an entry, `first()` to `end()`; any change makes places stale.

use crate::memory;

/// See the module's documentation.
#[derive(Debug, Clone, Default)]
pub struct Pack {
    bytes: Vec<u8>,
    /// Room in front, left by removals there and used by additions there.
    head: u32,
    count: u32,
}

/// Most room that an addition in front leaves for further ones.
const FRONT_ROOM_BYTES_MAX: usize = 4096;

/// Bytes that the code of a length takes.
const fn code_length(value: usize) -> usize {
    let mut length = 1;
    let mut rest = value >> 7;
    while rest > 0 {
        length += 1;
        rest >>= 7;
    }
    length
}

/// Writes the code of `value` to the front of `target`.
fn write_code(target: &mut [u8], mut value: usize) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        target[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    target[at] = value as u8;
    at + 1
}

/// Bytes that an element of `length` bytes takes in a pack.
#[must_use]
pub const fn entry_bytes(length: usize) -> usize {
    let body = code_length(length) + length;
    body + code_length(body)
}

impl Pack {
    /// A pack without elements and without allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), head: 0, count: 0 }
    }

    /// The number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all entries.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.bytes.len() - self.first()
    }

    /// Heap bytes, spare ones included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        memory::allocated(self.bytes.capacity())
    }

    /// The place of the first entry; [`Self::end`] when there is none.
    #[inline]
    #[must_use]
    pub const fn first(&self) -> usize {
        self.head as usize
    }

    /// The place behind the last entry.
    #[inline]
    #[must_use]
    pub fn end(&self) -> usize {
        self.bytes.len()
    }

    /// Start of the element at a place, and its length.
    #[inline]
    fn decode(&self, place: usize) -> (usize, usize) {
        let first = self.bytes[place];
        if first < 0x80 {
            return (place + 1, first as usize);
        }
        let (mut length, mut shift, mut at) = ((first & 0x7F) as usize, 7, place + 1);
        loop {
            let byte = self.bytes[at];
            length |= ((byte & 0x7F) as usize) << shift;
            at += 1;
            if byte < 0x80 {
                return (at, length);
            }
            shift += 7;
        }
    }

    /// The element at a place.
    #[inline]
    #[must_use]
    pub fn at(&self, place: usize) -> &[u8] {
        let (start, length) = self.decode(place);
        &self.bytes[start..start + length]
    }

    /// The place after `place`, which is not the end.
    #[inline]
    #[must_use]
    pub fn next(&self, place: usize) -> usize {
        let (start, length) = self.decode(place);
        let end = start + length;
        end + code_length(end - place)
    }

    /// The place before `place`, which is not the first.
    #[inline]
    #[must_use]
    pub fn previous(&self, place: usize) -> usize {
        let (mut body, mut shift, mut at) = (0_usize, 0, place);
        loop {
            at -= 1;
            let byte = self.bytes[at];
            body |= ((byte & 0x7F) as usize) << shift;
            if byte < 0x80 {
                return at - body;
            }
            shift += 7;
        }
    }

    /// The place of the element with this index, at most [`Self::len`]; found from the nearer end.
    #[must_use]
    pub fn seek(&self, index: usize) -> usize {
        debug_assert!(index <= self.len());
        if index <= self.len() / 2 {
            (0..index).fold(self.first(), |place, _| self.next(place))
        } else {
            (index..self.len()).fold(self.end(), |place, _| self.previous(place))
        }
    }

    /// The element with this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        (index < self.len()).then(|| self.at(self.seek(index)))
    }

    /// Looks for `element` among the elements 0, `stride`, 2 `stride`...: its place.
    #[must_use]
    pub fn find(&self, element: &[u8], stride: usize) -> Option<usize> {
        let mut place = self.first();
        while place < self.end() {
            // Decoded once for both the comparison and the step.
            let (start, length) = self.decode(place);
            let end = start + length;
            if length == element.len() && self.bytes[start..end] == *element {
                return Some(place);
            }
            place = end + code_length(end - place);
            for _ in 1..stride {
                place = self.next(place);
            }
        }
        None
    }

    /// Makes room for `extra` more bytes at the end, with little to spare: packs are many and
    /// small.
    fn reserve(&mut self, extra: usize) {
        if self.bytes.capacity() - self.bytes.len() >= extra {
            return;
        }
        self.bytes.drain(..self.first());
        self.head = 0;
        if self.bytes.capacity() - self.bytes.len() < extra {
            self.bytes.reserve_exact(extra.max(self.bytes.len() / 8));
        }
    }

    /// Writes an entry over the bytes at `place`, which are as many as it takes.
    fn write(&mut self, place: usize, element: &[u8]) {
        let target = &mut self.bytes[place..place + entry_bytes(element.len())];
        let start = write_code(target, element.len());
        let end = start + element.len();
        target[start..end].copy_from_slice(element);
        let tail = &mut target[end..];
        write_code(tail, end);
        tail.reverse();
    }

    /// Adds an element at the end.
    #[inline]
    pub fn push_back(&mut self, element: &[u8]) {
        let size = entry_bytes(element.len());
        self.reserve(size);
        let place = self.bytes.len();
        self.bytes.resize(place + size, 0);
        self.write(place, element);
        self.count += 1;
    }

    /// Adds an element at the front.
    pub fn push_front(&mut self, element: &[u8]) {
        let size = entry_bytes(element.len());
        let place = match self.first().checked_sub(size) {
            Some(place) => place,
            None => {
                // Leave room for the next ones too, so that they need not move the rest again.
                let room = (self.used_bytes() / 8).min(FRONT_ROOM_BYTES_MAX);
                let (from, end) = (self.first(), self.bytes.len());
                let grow = room + size - from;
                self.bytes.reserve_exact(grow);
                self.bytes.resize(end + grow, 0);
                self.bytes.copy_within(from..end, room + size);
                room
            }
        };
        self.set_head(place);
        self.write(place, element);
        self.count += 1;
    }

    fn set_head(&mut self, place: usize) {
        match u32::try_from(place) {
            Ok(head) => self.head = head,
            Err(_) => {
                self.bytes.drain(..place);
                self.head = 0;
            }
        }
    }

    /// Inserts an element so that it stands at index `index` (at most [`Self::len`]).
    pub fn insert(&mut self, index: usize, element: &[u8]) {
        let place = self.seek(index);
        self.insert_at(place, element);
    }

    /// Inserts an element before `place`.
    pub fn insert_at(&mut self, place: usize, element: &[u8]) {
        if place == self.end() {
            return self.push_back(element);
        }
        if place == self.first() {
            return self.push_front(element);
        }
        let place = self.splice(place, 0, entry_bytes(element.len()));
        self.write(place, element);
        self.count += 1;
    }

    /// Replaces the element at `place`.
    pub fn replace_at(&mut self, place: usize, element: &[u8]) {
        let (old, new) = (self.next(place) - place, entry_bytes(element.len()));
        let place = self.splice(place, old, new);
        self.write(place, element);
    }

    /// Makes `new` bytes of the `old` bytes at `place`; returns where they are now.
    fn splice(&mut self, place: usize, old: usize, new: usize) -> usize {
        let from_head = place - self.first();
        if new <= old {
            self.bytes.drain(place + new..place + old);
            self.give_back();
            return self.first() + from_head;
        }
        self.reserve(new - old);
        let place = self.first() + from_head;
        let end = self.bytes.len();
        self.bytes.resize(end + new - old, 0);
        self.bytes.copy_within(place + old..end, place + new);
        place
    }

    /// Removes `count` elements from `place` on. What follows them then stands at the result.
    pub fn remove_at(&mut self, place: usize, count: usize) -> usize {
        let end = (0..count).fold(place, |place, _| self.next(place));
        self.count -= u32::try_from(count).expect("no more elements than there are");
        if self.count == 0 {
            *self = Self::new();
            return 0;
        }
        if place == self.first() {
            self.set_head(end);
            self.give_back();
            return self.first();
        }
        let from_head = place - self.first();
        self.bytes.drain(place..end);
        self.give_back();
        self.first() + from_head
    }

    /// Frees memory when most of it is unused.
    fn give_back(&mut self) {
        const WORTH_IT_BYTES: usize = 128;
        let capacity = self.bytes.capacity();
        if capacity >= WORTH_IT_BYTES && self.used_bytes() < capacity / 2 {
            self.bytes.drain(..self.first());
            self.head = 0;
            self.bytes.shrink_to(self.bytes.len() + self.bytes.len() / 8);
        }
    }

    /// Gives back all spare memory, when no more is to be added for now.
    pub fn trim(&mut self) {
        self.bytes.drain(..self.first());
        self.head = 0;
        self.bytes.shrink_to_fit();
    }

    /// Removes `count` elements from index `index` on.
    pub fn remove(&mut self, index: usize, count: usize) {
        let place = self.seek(index);
        self.remove_at(place, count);
    }

    /// Splits off the elements from index `index` on.
    #[must_use]
    pub fn split_off(&mut self, index: usize) -> Self {
        let place = self.seek(index);
        let tail =
            Self { bytes: self.bytes[place..].to_vec(), head: 0, count: self.count - index as u32 };
        self.bytes.truncate(place);
        self.count = index as u32;
        self.give_back();
        tail
    }

    /// Moves all elements of `other` to the end of this.
    pub fn append(&mut self, other: &Self) {
        self.reserve(other.used_bytes());
        self.bytes.extend_from_slice(&other.bytes[other.first()..]);
        self.count += other.count;
    }

    /// The elements in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { pack: self, front: self.first(), back: self.end(), remaining: self.len() }
    }

    /// The elements with indices in `start..end`, which are within bounds.
    #[must_use]
    pub fn range(&self, start: usize, end: usize) -> Iter<'_> {
        let (front, back) = (self.seek(start), self.seek(end));
        Iter { pack: self, front, back, remaining: end - start }
    }
}

/// Elements of a pack, from either end.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    pack: &'a Pack,
    front: usize,
    back: usize,
    remaining: usize,
}

impl Default for Iter<'_> {
    /// No elements.
    fn default() -> Self {
        static EMPTY: Pack = Pack::new();
        EMPTY.iter()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.remaining = self.remaining.checked_sub(1)?;
        let place = self.front;
        self.front = self.pack.next(place);
        Some(self.pack.at(place))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        self.back = self.pack.previous(self.back);
        Some(self.pack.at(self.back))
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
