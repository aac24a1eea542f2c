//! A growing array in pieces, so that growth never copies what is already there.
//!
//! Job: hold the segments of a table and the members of a sorted set, by dense index.
//! In: elements. Out: references by index.
//! Invariant: all pieces but the last hold exactly `CHUNK` elements; indices are `0..len`.

use crate::memory;

/// Elements per piece.
const CHUNK: usize = 256;

/// Dense array in pieces of 256 elements.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Chunks<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        match self.chunks.last() {
            Some(last) => (self.chunks.len() - 1) * CHUNK + last.len(),
            None => 0,
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> &T {
        &self.chunks[index / CHUNK][index % CHUNK]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }

    /// Appends an element and returns its index.
    pub(crate) fn push(&mut self, element: T) -> usize {
        let index = self.len();
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(element),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(element);
                self.chunks.push(chunk);
            }
            None => self.chunks.push(vec![element]),
        }
        index
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.chunks.last_mut()?;
        let element = last.pop();
        if last.is_empty() {
            self.chunks.pop();
        } else if self.chunks.len() == 1 {
            // Small arrays are many; in large ones, one piece does not matter.
            let only = &mut self.chunks[0];
            if only.len() < only.capacity() / 4 {
                only.shrink_to(only.len() * 2);
            }
        }
        element
    }

    /// Takes out the element at `index` and puts the last one into its place.
    pub(crate) fn swap_remove(&mut self, index: usize) -> T {
        let last = self.pop().expect("the index is in range, so there is a last element");
        if index == self.len() { last } else { std::mem::replace(self.get_mut(index), last) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.chunks.iter().flatten()
    }

    /// Heap bytes of the array itself.
    pub(crate) fn memory_bytes(&self) -> usize {
        memory::vector_bytes::<Vec<T>>(self.chunks.capacity())
            + self
                .chunks
                .iter()
                .map(|chunk| memory::vector_bytes::<T>(chunk.capacity()))
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_keep_their_index_until_removed() {
        let mut chunks = Chunks::new();
        for value in 0..1000_usize {
            assert_eq!(chunks.push(value), value);
        }
        assert_eq!(chunks.len(), 1000);
        assert!(chunks.iter().copied().eq(0..1000));
        assert_eq!(chunks.swap_remove(3), 3);
        assert_eq!(*chunks.get(3), 999);
        assert_eq!(chunks.swap_remove(998), 998);
        for len in (0..998).rev() {
            assert!(chunks.pop().is_some());
            assert_eq!(chunks.len(), len);
            assert!(chunks.memory_bytes() <= 200 + len.next_multiple_of(256) * 8 * 2);
        }
        assert!(chunks.memory_bytes() <= 200);
        assert_eq!(chunks.pop(), None);
        assert_eq!(chunks.push(7), 0);
    }
}
