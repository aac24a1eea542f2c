//! Job: gather the bytes of replies until they are sent.
//! In: bytes to copy, and large values to share. Out: segments in sending order.
//! Invariant: shared values are sorted by place, each stands before the byte at its offset, and
//! each is at least [`SHARED_REPLY_BYTES_MIN`](ringlet_base::limits::SHARED_REPLY_BYTES_MIN) long.

use bytes::Bytes;
use ringlet_base::limits::KEPT_CAPACITY_BYTES;

use crate::resp_value::Cursor;

/// A place inside a [`ReplyBuffer`], between two of its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyPosition {
    /// Copied bytes before the place.
    pub(crate) bytes: usize,
    /// Shared values before the place.
    pub(crate) shared: usize,
}

/// A part of a [`ReplyBuffer`]: one reply, or one element of a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyRange {
    /// Where it begins.
    pub start: ReplyPosition,
    /// Where it ends, exclusively.
    pub end: ReplyPosition,
}

/// Bytes to send: one contiguous buffer, and large values that ride along by reference.
#[derive(Clone, Debug, Default)]
pub struct ReplyBuffer {
    bytes: Vec<u8>,
    /// The values, each with the offset in `bytes` before which it is sent.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
    errors: u64,
    /// Offset in `bytes` of the text of the last error, as long as it is there.
    last_error: Option<usize>,
}

impl ReplyBuffer {
    /// An empty buffer, which owns no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes to send, shared values included.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared_bytes
    }

    /// Whether there is nothing to send.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.shared.is_empty()
    }

    /// Bytes of memory reserved for copied bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The large values that ride along: how many there are, and their bytes.
    #[must_use]
    pub fn shared_values(&self) -> (usize, usize) {
        (self.shared.len(), self.shared_bytes)
    }

    /// Forgets everything. Memory is kept for later up to [`KEPT_CAPACITY_BYTES`].
    pub fn clear(&mut self) {
        self.truncate(ReplyPosition::default());
        self.errors = 0;
        self.bytes.shrink_to(KEPT_CAPACITY_BYTES);
        self.shared.shrink_to(KEPT_CAPACITY_BYTES / size_of::<(usize, Bytes)>());
    }

    /// The place behind the last byte: note it before a reply to name that reply afterwards.
    #[inline]
    #[must_use]
    pub fn end(&self) -> ReplyPosition {
        ReplyPosition { bytes: self.bytes.len(), shared: self.shared.len() }
    }

    /// What was written since `start`.
    #[inline]
    #[must_use]
    pub fn since(&self, start: ReplyPosition) -> ReplyRange {
        ReplyRange { start, end: self.end() }
    }

    /// Drops what was written since `position`. The error count stays.
    pub fn truncate(&mut self, position: ReplyPosition) {
        self.bytes.truncate(position.bytes);
        self.last_error = self.last_error.filter(|&place| place <= position.bytes);
        for (_, value) in self.shared.drain(position.shared..) {
            self.shared_bytes -= value.len();
        }
    }

    /// Appends a part of another buffer; large values are shared, not copied. Errors in it are not
    /// counted again: the buffer they were written to has counted them.
    pub fn append(&mut self, other: &ReplyBuffer, range: ReplyRange) {
        let moved_by = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes[range.start.bytes..range.end.bytes]);
        for (at, value) in &other.shared[range.start.shared..range.end.shared] {
            self.shared_bytes += value.len();
            self.shared.push((at - range.start.bytes + moved_by, value.clone()));
        }
    }

    /// The bytes to send, in order, from the byte `skip` on: for vectored writes that may be
    /// partial. No segment is empty.
    pub fn segments(&self, skip: usize) -> Segments<'_> {
        let mut segments = Segments { bytes: &self.bytes, done: 0, shared: &self.shared, skip: 0 };
        // Whole segments are passed over by their lengths.
        let mut left = skip;
        while left > 0 {
            let mut ahead = segments.clone();
            match ahead.next() {
                Some(segment) if segment.len() <= left => {
                    left -= segment.len();
                    segments = ahead;
                }
                _ => break,
            }
        }
        segments.skip = left;
        segments
    }

    /// Everything in one piece; copies.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.len());
        self.segments(0).for_each(|segment| whole.extend_from_slice(segment));
        whole
    }

    /// Takes the buffer apart: the copied bytes, and the shared values, each with the offset in the
    /// former before which it is to be sent.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<(usize, Bytes)>) {
        (self.bytes, self.shared)
    }

    /// An empty buffer that reuses the memory of former ones.
    #[must_use]
    pub fn from_spare(mut bytes: Vec<u8>, mut shared: Vec<(usize, Bytes)>) -> Self {
        bytes.clear();
        shared.clear();
        Self { bytes, shared, ..Self::default() }
    }

    /// The elements of the aggregate (array, set, push; keys and values of a map) that `range`
    /// holds, as parts that can be appended elsewhere. `None` if it holds no whole aggregate.
    #[must_use]
    pub fn elements(&self, range: ReplyRange) -> Option<ReplyElements<'_>> {
        let mut cursor = Cursor::new(&self.bytes[..range.end.bytes], &self.shared, range.start);
        let missing = cursor.enter_aggregate()?;
        Some(ReplyElements { cursor, missing })
    }

    /// The copied bytes of a part, without the shared values in it: enough to read the kind of a
    /// reply, its header, or an integer.
    #[must_use]
    pub fn copied_bytes(&self, range: ReplyRange) -> &[u8] {
        &self.bytes[range.start.bytes..range.end.bytes]
    }

    /// Errors written to this buffer since it was cleared.
    #[inline]
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.errors
    }

    /// The first word of the last error that was written here, if it is still in the buffer.
    #[must_use]
    pub fn last_error_code(&self) -> Option<&[u8]> {
        let text = &self.bytes[self.last_error?..];
        text.split(|byte| matches!(byte, b' ' | b'\r')).next().filter(|code| !code.is_empty())
    }

    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn push_shared(&mut self, value: Bytes) {
        self.shared_bytes += value.len();
        self.shared.push((self.bytes.len(), value));
    }

    /// A marker and a length or count.
    #[inline]
    pub(crate) fn push_header(&mut self, marker: u8, count: usize) {
        if count < 10 {
            self.bytes.extend_from_slice(&[marker, b'0' + count as u8, b'\r', b'\n']);
        } else {
            self.push_number(marker, count as i64);
        }
    }

    #[inline]
    pub(crate) fn push_number(&mut self, marker: u8, value: i64) {
        self.push_plain_line(marker, itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline]
    pub(crate) fn push_bulk(&mut self, value: &[u8]) {
        // One reservation for all: the length takes at most 20 digits, the framing 5 bytes.
        self.bytes.reserve(value.len() + 25);
        self.push_header(b'$', value.len());
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A marker and a line of text, whose own line ends become spaces.
    pub(crate) fn push_line(&mut self, marker: u8, text: &[u8]) {
        let start = self.bytes.len() + 1;
        self.push_plain_line(marker, text);
        for byte in &mut self.bytes[start..start + text.len()] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }

    #[inline]
    fn push_plain_line(&mut self, marker: u8, text: &[u8]) {
        self.bytes.reserve(text.len() + 3);
        self.bytes.push(marker);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Notes that the next byte is the marker of an error.
    pub(crate) fn note_error(&mut self) {
        self.errors += 1;
        self.last_error = Some(self.bytes.len() + 1);
    }

    /// Puts a header in front of what was written since `at`.
    pub(crate) fn insert_header(&mut self, at: ReplyPosition, marker: u8, count: usize) {
        let end = self.bytes.len();
        self.push_header(marker, count);
        let header = self.bytes.len() - end;
        self.bytes[at.bytes..].rotate_right(header);
        for (place, _) in &mut self.shared[at.shared..] {
            *place += header;
        }
        if let Some(last_error) = self.last_error.as_mut().filter(|place| **place > at.bytes) {
            *last_error += header;
        }
    }
}

/// Iterator over the bytes of a [`ReplyBuffer`] in sending order.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    /// Copied bytes that are still to come.
    bytes: &'a [u8],
    /// Copied bytes that have been given out.
    done: usize,
    shared: &'a [(usize, Bytes)],
    /// Bytes to leave out of the next segment.
    skip: usize,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let skip = std::mem::take(&mut self.skip);
        let segment = match self.shared.split_first() {
            Some(((at, value), rest)) if *at == self.done => {
                self.shared = rest;
                &value[..]
            }
            next => {
                let length = next.map_or(self.bytes.len(), |((at, _), _)| at - self.done);
                let (segment, rest) = self.bytes.split_at(length);
                self.bytes = rest;
                self.done += length;
                segment
            }
        };
        (!segment.is_empty()).then(|| &segment[skip..])
    }
}

/// Iterator over the elements of an aggregate inside a [`ReplyBuffer`]. It ends early if the bytes
/// do not hold as many whole elements as announced.
#[derive(Debug)]
pub struct ReplyElements<'a> {
    cursor: Cursor<'a>,
    missing: usize,
}

impl Iterator for ReplyElements<'_> {
    type Item = ReplyRange;

    fn next(&mut self) -> Option<ReplyRange> {
        self.missing = self.missing.checked_sub(1)?;
        let start = self.cursor.position();
        self.cursor.skip_value()?;
        Some(ReplyRange { start, end: self.cursor.position() })
    }
}
