//! Job: hold the words of commands, borrowed from a buffer or owned in an arena.
//! In: words, as spans of a byte buffer or as reference-counted large values.
//! Out: [`Arguments`], a cheap view of one command's words.
//! Invariant: a word is large, that is, held as [`Bytes`] and never copied, exactly if it has at
//! least [`LARGE_ARGUMENT_BYTES`] (or if the arena's byte buffer has no addressable room left).

use std::fmt;
use std::ops::Index;

use bytes::Bytes;
use ringlet_base::limits::{KEPT_CAPACITY_BYTES, LARGE_ARGUMENT_BYTES};

/// Set in [`Span::start`] if the rest of it is an index into the large values.
const LARGE_FLAG: u32 = 1 << 31;

/// Where one word stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// A word inside a byte buffer. Both numbers are below 2^31.
    #[inline]
    pub(crate) fn inline(start: usize, length: usize) -> Self {
        debug_assert!(start < LARGE_FLAG as usize && length < LARGE_FLAG as usize);
        Self { start: start as u32, length: length as u32 }
    }

    /// The word `index` of the large values; its length is theirs to know.
    fn large(index: usize) -> Self {
        assert!(index < LARGE_FLAG as usize, "more large words than a span can tell apart");
        Self { start: index as u32 | LARGE_FLAG, length: 0 }
    }

    fn large_index(self) -> Option<usize> {
        (self.start & LARGE_FLAG != 0).then_some((self.start & !LARGE_FLAG) as usize)
    }
}

/// The words of one command, borrowed: three slices, nothing owned, nothing copied.
#[derive(Clone, Copy)]
pub struct Arguments<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
    large: &'a [Bytes],
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(bytes: &'a [u8], spans: &'a [Span], large: &'a [Bytes]) -> Self {
        Self { bytes, spans, large }
    }

    /// Number of words.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no word.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Word `index`, counted from 0.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|&span| self.resolve(span))
    }

    /// The reference-counted form of word `index`, if it is a large one: clone it to keep the value
    /// without a copy.
    #[inline]
    #[must_use]
    pub fn shared(&self, index: usize) -> Option<&'a Bytes> {
        self.spans.get(index)?.large_index().map(|large| &self.large[large])
    }

    /// The words in order.
    #[inline]
    pub fn iter(&self) -> Words<'a> {
        Words { arguments: *self }
    }

    /// The words without the first `count`; empty if there are no more.
    #[inline]
    #[must_use]
    pub fn from(&self, count: usize) -> Arguments<'a> {
        Self { spans: self.spans.get(count..).unwrap_or_default(), ..*self }
    }

    /// Only the first `count` words; all if there are no more.
    #[inline]
    #[must_use]
    pub fn up_to(&self, count: usize) -> Arguments<'a> {
        Self { spans: self.spans.get(..count).unwrap_or(self.spans), ..*self }
    }

    /// Bytes of all words together, without any framing.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.iter().map(<[u8]>::len).sum()
    }

    #[inline]
    fn resolve(&self, span: Span) -> &'a [u8] {
        match span.large_index() {
            None => {
                let start = span.start as usize;
                &self.bytes[start..start + span.length as usize]
            }
            Some(index) => &self.large[index],
        }
    }
}

impl Index<usize> for Arguments<'_> {
    type Output = [u8];

    /// Word `index`.
    ///
    /// # Panics
    /// If there is no such word: callers check the arity first.
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.resolve(self.spans[index])
    }
}

impl<'a> IntoIterator for Arguments<'a> {
    type Item = &'a [u8];
    type IntoIter = Words<'a>;

    fn into_iter(self) -> Words<'a> {
        self.iter()
    }
}

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter().map(Bytes::copy_from_slice)).finish()
    }
}

/// Iterator over the words of one command, from either end.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    arguments: Arguments<'a>,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (&first, rest) = self.arguments.spans.split_first()?;
        self.arguments.spans = rest;
        Some(self.arguments.resolve(first))
    }

    /// At once, so that to skip words costs nothing.
    #[inline]
    fn nth(&mut self, count: usize) -> Option<&'a [u8]> {
        self.arguments = self.arguments.from(count);
        self.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.arguments.len(), Some(self.arguments.len()))
    }
}

impl DoubleEndedIterator for Words<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let (&last, rest) = self.arguments.spans.split_last()?;
        self.arguments.spans = rest;
        Some(self.arguments.resolve(last))
    }
}

impl ExactSizeIterator for Words<'_> {}

/// Names one command inside an [`ArgumentArena`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgumentRange {
    first: u32,
    count: u32,
}

impl ArgumentRange {
    /// Number of words of the command.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether the command has no word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The owned form: many commands in one place, for messages between cores, `MULTI` queues and
/// parked commands. Small words are copied into one buffer; large ones are shared.
#[derive(Clone, Debug, Default)]
pub struct ArgumentArena {
    pub(crate) bytes: Vec<u8>,
    pub(crate) spans: Vec<Span>,
    pub(crate) large: Vec<Bytes>,
    /// Bytes held in `large`.
    large_bytes: usize,
}

impl ArgumentArena {
    /// An empty arena, which owns no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one command.
    pub fn push(&mut self, arguments: &Arguments<'_>) -> ArgumentRange {
        let first = self.spans.len();
        self.spans.reserve(arguments.len());
        for index in 0..arguments.len() {
            self.push_word_of(arguments, index);
        }
        self.range_from(first)
    }

    /// Appends one command made of some words of another, by their indices.
    pub fn push_selected(&mut self, arguments: &Arguments<'_>, indices: &[usize]) -> ArgumentRange {
        let first = self.spans.len();
        self.spans.reserve(indices.len());
        for index in indices {
            self.push_word_of(arguments, *index);
        }
        self.range_from(first)
    }

    #[inline]
    fn push_word_of(&mut self, arguments: &Arguments<'_>, index: usize) {
        match arguments.shared(index) {
            Some(shared) => self.push_shared(shared.clone()),
            None => self.push_word(&arguments[index]),
        }
    }

    /// Appends one command made of plain words.
    pub fn push_words(&mut self, words: &[&[u8]]) -> ArgumentRange {
        let first = self.spans.len();
        for word in words {
            self.push_word(word);
        }
        self.range_from(first)
    }

    /// The words of a command that was pushed since the last [`clear`](Self::clear).
    ///
    /// # Panics
    /// If the range comes from another arena and does not fit this one.
    #[inline]
    #[must_use]
    pub fn get(&self, range: ArgumentRange) -> Arguments<'_> {
        let first = range.first as usize;
        let spans = &self.spans[first..first + range.count as usize];
        Arguments { bytes: &self.bytes, spans, large: &self.large }
    }

    /// Whether no command is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes held: words, large values and the table of where they stand.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() + self.large_bytes + size_of_val(&self.spans[..])
    }

    /// Forgets all commands. Memory is kept for the next ones up to [`KEPT_CAPACITY_BYTES`].
    pub fn clear(&mut self) {
        self.clear_spans();
        self.bytes.clear();
        self.large.clear();
        self.large_bytes = 0;
        self.bytes.shrink_to(KEPT_CAPACITY_BYTES);
        self.large.shrink_to(KEPT_CAPACITY_BYTES / size_of::<Bytes>());
    }

    /// As [`clear`](Self::clear) where the words are known to stand elsewhere.
    #[inline]
    pub(crate) fn clear_spans(&mut self) {
        self.spans.clear();
        if self.spans.capacity() > KEPT_CAPACITY_BYTES / size_of::<Span>() {
            self.spans.shrink_to(KEPT_CAPACITY_BYTES / size_of::<Span>());
        }
    }

    #[inline]
    pub(crate) fn push_word(&mut self, word: &[u8]) {
        let start = self.bytes.len();
        if word.len() < LARGE_ARGUMENT_BYTES && start + word.len() < LARGE_FLAG as usize {
            self.bytes.extend_from_slice(word);
            self.spans.push(Span::inline(start, word.len()));
        } else {
            self.push_shared(Bytes::copy_from_slice(word));
        }
    }

    pub(crate) fn push_shared(&mut self, word: Bytes) {
        self.large_bytes += word.len();
        self.spans.push(Span::large(self.large.len()));
        self.large.push(word);
    }

    fn range_from(&self, first: usize) -> ArgumentRange {
        assert!(self.spans.len() <= u32::MAX as usize, "more words than a range can name");
        ArgumentRange { first: first as u32, count: (self.spans.len() - first) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_again_in_their_command() {
        let mut arena = ArgumentArena::new();
        let big = vec![b'x'; LARGE_ARGUMENT_BYTES];
        let one = arena.push_words(&[b"SET", b"key", &big]);
        let two = arena.push_words(&[b"GET", b""]);
        let arguments = arena.get(one);
        assert_eq!(arguments.len(), 3);
        assert_eq!(&arguments[1], b"key");
        assert_eq!(arguments.get(2), Some(&big[..]));
        assert_eq!(arguments.get(3), None);
        assert!(arguments.shared(1).is_none());
        assert_eq!(arguments.shared(2).map(Bytes::len), Some(big.len()));
        assert_eq!(arguments.total_bytes(), 6 + big.len());
        assert_eq!(arena.get(two).iter().collect::<Vec<_>>(), [&b"GET"[..], b""]);
        assert!(arena.held_bytes() >= 9 + big.len());
    }

    #[test]
    fn large_words_are_shared_and_not_copied() {
        let mut arena = ArgumentArena::new();
        let range = arena.push_words(&[&vec![b'x'; LARGE_ARGUMENT_BYTES]]);
        let mut other = ArgumentArena::new();
        let copy = other.push(&arena.get(range));
        assert_eq!(arena.get(range)[0].as_ptr(), other.get(copy)[0].as_ptr());
    }

    #[test]
    fn some_words_of_a_command_become_another_and_large_ones_are_shared() {
        let mut arena = ArgumentArena::new();
        let large = vec![b'x'; LARGE_ARGUMENT_BYTES];
        let range = arena.push_words(&[b"MSET", b"a", b"1", b"b", &large, b"c", b"3"]);
        let mut other = ArgumentArena::new();
        let part = other.push_selected(&arena.get(range), &[0, 3, 4, 5, 6]);
        let words: Vec<&[u8]> = other.get(part).iter().collect();
        assert_eq!(words, [&b"MSET"[..], b"b", &large, b"c", b"3"]);
        assert_eq!(arena.get(range)[4].as_ptr(), other.get(part)[2].as_ptr());
    }

    #[test]
    fn views_can_be_narrowed_and_walked_from_both_ends() {
        let mut arena = ArgumentArena::new();
        let range = arena.push_words(&[b"a", b"b", b"c", b"d"]);
        let arguments = arena.get(range);
        assert_eq!(arguments.from(1).up_to(2).iter().collect::<Vec<_>>(), [b"b", b"c"]);
        assert_eq!(arguments.from(9).len(), 0);
        assert_eq!(arguments.up_to(9).len(), 4);
        let mut words = arguments.iter();
        assert_eq!((words.next(), words.next_back()), (Some(&b"a"[..]), Some(&b"d"[..])));
        assert_eq!(words.len(), 2);
        assert_eq!(words.clone().nth(1), Some(&b"c"[..]));
        assert_eq!(words.clone().nth(2), None);
        assert_eq!(words.rev().collect::<Vec<_>>(), [b"c", b"b"]);
    }

    #[test]
    fn clearing_gives_large_capacity_back() {
        let mut arena = ArgumentArena::new();
        for _ in 0..100 {
            arena.push_words(&[&[b'x'; 10_000]]);
        }
        let range = arena.push_words(&[&vec![b'x'; LARGE_ARGUMENT_BYTES]]);
        let held = arena.get(range).shared(0).cloned().expect("large");
        arena.clear();
        assert!(arena.is_empty());
        assert_eq!(arena.held_bytes(), 0);
        assert!(arena.bytes.capacity() <= KEPT_CAPACITY_BYTES);
        assert!(held.is_unique(), "clear drops its share of large words");
    }
}
