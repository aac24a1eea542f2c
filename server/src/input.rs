//! Input: the bytes that a connection has received and not consumed.
//! In: received bytes. Out: the unread rest, in one piece.
//! Invariant: bytes are moved only when at least as many have been consumed, so that to consume a
//! long input in small steps costs as much as to consume it at once.

use crate::limits::INPUT_BYTES_KEPT;

/// Received and not consumed.
#[derive(Default)]
pub struct Input {
    bytes: Vec<u8>,
    /// Where the rest begins; it is not empty unless all is.
    start: usize,
}

impl Input {
    /// What has not been consumed.
    #[inline]
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Its length.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// True when all has been consumed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of memory.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends what has arrived.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets go of the first `count` bytes of the rest. Memory beyond what an idle connection keeps
    /// goes back when nothing is left.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.bytes.len() {
            self.clear();
        } else if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Lets go of everything.
    #[inline]
    pub fn clear(&mut self) {
        self.start = 0;
        if self.bytes.capacity() > INPUT_BYTES_KEPT {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_input_is_not_moved_for_every_step() {
        let bytes: Vec<u8> = (0..100_000).map(|number| (number % 251) as u8).collect();
        let mut input = Input::default();
        input.append(&bytes);
        let mut moves = 0;
        for at in (0..bytes.len()).step_by(10) {
            assert_eq!(input.rest(), &bytes[at..]);
            let next = input.rest().as_ptr().wrapping_add(10);
            input.consume(10);
            moves += usize::from(!input.is_empty() && input.rest().as_ptr() != next);
        }
        assert!(input.is_empty());
        assert!(moves <= 20, "{moves} moves: each must halve what is left");
        assert!(input.capacity() <= INPUT_BYTES_KEPT);
    }

    #[test]
    fn what_arrives_stands_behind_the_rest() {
        let mut input = Input::default();
        input.append(b"abcdefgh");
        input.consume(3);
        input.append(b"ij");
        assert_eq!((input.rest(), input.len()), (&b"defghij"[..], 7));
        input.consume(6);
        input.append(b"k");
        assert_eq!(input.rest(), b"jk");
        input.consume(2);
        assert!(input.is_empty());
        assert_eq!(input.rest(), b"");
    }
}
