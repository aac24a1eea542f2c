//! Job: write replies in RESP2 or RESP3.
//! In: what a command has to say. Out: bytes and shared values in a [`ReplyBuffer`].
//! Invariant: each call writes one whole value or the header of one aggregate; a value that the
//! client's version lacks is written in the form that Redis uses for that version.

use bytes::Bytes;
use ringlet_base::limits::SHARED_REPLY_BYTES_MIN;
use ringlet_base::number::format_f64;

pub use crate::reply_buffer::{ReplyBuffer, ReplyElements, ReplyPosition, ReplyRange};

/// Version of the protocol that a connection speaks (`HELLO 2`, `HELLO 3`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// What every connection starts with.
    #[default]
    Resp2,
    /// With maps, sets, doubles, booleans and push messages.
    Resp3,
}

/// An aggregate whose number of elements is not known yet. Give it back to [`Reply::close`].
#[derive(Debug)]
#[must_use = "an aggregate that is not closed has no header"]
pub struct Deferred {
    at: ReplyPosition,
    marker: u8,
    /// Values that one element stands for: 2 for a map written as an array.
    values_per_element: usize,
}

/// Writes replies for a client of one version into a buffer.
#[derive(Debug)]
pub struct Reply<'a> {
    buffer: &'a mut ReplyBuffer,
    version: Version,
}

impl<'a> Reply<'a> {
    /// A writer that appends to `buffer`.
    #[inline]
    pub fn new(buffer: &'a mut ReplyBuffer, version: Version) -> Self {
        Self { buffer, version }
    }

    /// The client's version.
    #[inline]
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The buffer behind the writer.
    #[inline]
    #[must_use]
    pub fn buffer(&mut self) -> &mut ReplyBuffer {
        self.buffer
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.buffer.extend(b"+OK\r\n");
    }

    /// A simple string. CR and LF become spaces.
    pub fn simple(&mut self, text: &str) {
        self.buffer.push_line(b'+', text.as_bytes());
    }

    /// An error. `text` begins with its code, as in `ERR syntax error`. CR and LF become spaces.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// An error whose text may quote arbitrary bytes of the client. As in Redis, line ends at its
    /// ends are dropped; others become spaces.
    #[cold]
    pub fn error_bytes(&mut self, text: &[u8]) {
        self.buffer.note_error();
        self.buffer.push_line(b'-', without_line_ends(text));
    }

    /// Errors written to the buffer since it was cleared: compare before and after a command.
    #[inline]
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.buffer.error_count()
    }

    /// The code of the last error, for example `WRONGTYPE`.
    #[must_use]
    pub fn last_error_code(&self) -> Option<&[u8]> {
        self.buffer.last_error_code()
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        if (0..10).contains(&value) {
            self.buffer.extend(&[b':', b'0' + value as u8, b'\r', b'\n']);
        } else {
            self.buffer.push_number(b':', value);
        }
    }

    /// A string, copied.
    #[inline]
    pub fn bulk(&mut self, value: &[u8]) {
        self.buffer.push_bulk(value);
    }

    /// A string that is shared instead of copied if it is long.
    #[inline]
    pub fn bulk_shared(&mut self, value: &Bytes) {
        if value.len() < SHARED_REPLY_BYTES_MIN {
            self.buffer.push_bulk(value);
        } else {
            self.buffer.push_header(b'$', value.len());
            self.buffer.push_shared(value.clone());
            self.buffer.extend(b"\r\n");
        }
    }

    /// A string of the decimal digits of `value`.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.buffer.push_bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// The absence of a value: `$-1` in RESP2.
    #[inline]
    pub fn null(&mut self) {
        self.buffer.extend(match self.version {
            Version::Resp2 => b"$-1\r\n",
            Version::Resp3 => b"_\r\n",
        });
    }

    /// The absence of an array: `*-1` in RESP2.
    #[inline]
    pub fn null_array(&mut self) {
        self.buffer.extend(match self.version {
            Version::Resp2 => b"*-1\r\n",
            Version::Resp3 => b"_\r\n",
        });
    }

    /// The header of an array; its `count` elements follow.
    #[inline]
    pub fn array(&mut self, count: usize) {
        self.buffer.push_header(b'*', count);
    }

    /// The header of a map; `count` pairs of key and value follow. An array of both in RESP2.
    #[inline]
    pub fn map(&mut self, count: usize) {
        match self.version {
            Version::Resp2 => self.buffer.push_header(b'*', count * 2),
            Version::Resp3 => self.buffer.push_header(b'%', count),
        }
    }

    /// The header of a set; its `count` elements follow. An array in RESP2.
    #[inline]
    pub fn set(&mut self, count: usize) {
        self.aggregate(b'~', count);
    }

    /// The header of a push message; its `count` elements follow. An array in RESP2.
    #[inline]
    pub fn push(&mut self, count: usize) {
        self.aggregate(b'>', count);
    }

    /// The header of attributes of the value that comes after them; `count` pairs follow. RESP2 has
    /// nothing like it: only for a RESP3 client.
    ///
    /// # Panics
    /// If the client speaks RESP2, which is an error of the caller.
    pub fn attribute(&mut self, count: usize) {
        assert!(self.version == Version::Resp3, "attributes sent to a RESP2 client");
        self.buffer.push_header(b'|', count);
    }

    /// Opens an array whose length shows only when its elements have been written.
    pub fn array_deferred(&mut self) -> Deferred {
        self.deferred(b'*', b'*', 1)
    }

    /// Opens a map; it is closed with the number of pairs.
    pub fn map_deferred(&mut self) -> Deferred {
        self.deferred(b'*', b'%', 2)
    }

    /// Opens a set.
    pub fn set_deferred(&mut self) -> Deferred {
        self.deferred(b'*', b'~', 1)
    }

    /// Closes the innermost open aggregate, to which `count` elements (pairs for a map) have been
    /// written. Costs a move of what was written since it was opened.
    pub fn close(&mut self, deferred: Deferred, count: usize) {
        self.buffer.insert_header(
            deferred.at,
            deferred.marker,
            count * deferred.values_per_element,
        );
    }

    /// Drops what was written since `deferred` was opened, itself included: for a command that
    /// finds out late that it must answer something else.
    pub fn abandon(&mut self, deferred: Deferred) {
        self.buffer.truncate(deferred.at);
    }

    /// A double: its text as a string in RESP2, digits as in redis-server 7.2.
    pub fn double(&mut self, value: f64) {
        let text = format_f64(value);
        match self.version {
            Version::Resp2 => self.buffer.push_bulk(&text),
            Version::Resp3 => self.buffer.push_line(b',', &text),
        }
    }

    /// A truth value: `:1` or `:0` in RESP2.
    pub fn boolean(&mut self, value: bool) {
        self.buffer.extend(match (self.version, value) {
            (Version::Resp2, true) => b":1\r\n",
            (Version::Resp2, false) => b":0\r\n",
            (Version::Resp3, true) => b"#t\r\n",
            (Version::Resp3, false) => b"#f\r\n",
        });
    }

    /// A text for people, in a format of three letters (`txt`, `mkd`). A string in RESP2.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        match self.version {
            Version::Resp2 => self.buffer.push_bulk(text),
            Version::Resp3 => {
                self.buffer.push_header(b'=', text.len() + 4);
                self.buffer.extend(format);
                self.buffer.extend(b":");
                self.buffer.extend(text);
                self.buffer.extend(b"\r\n");
            }
        }
    }

    /// An integer of any size, given in decimal digits. A string in RESP2.
    pub fn big_number(&mut self, digits: &str) {
        match self.version {
            Version::Resp2 => self.buffer.push_bulk(digits.as_bytes()),
            Version::Resp3 => self.buffer.push_line(b'(', digits.as_bytes()),
        }
    }

    /// Bytes that already are whole replies of the client's version.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    #[inline]
    fn aggregate(&mut self, marker: u8, count: usize) {
        let marker = if self.version == Version::Resp2 { b'*' } else { marker };
        self.buffer.push_header(marker, count);
    }

    fn deferred(&mut self, resp2: u8, resp3: u8, values_per_element: usize) -> Deferred {
        let at = self.buffer.end();
        match self.version {
            Version::Resp2 => Deferred { at, marker: resp2, values_per_element },
            Version::Resp3 => Deferred { at, marker: resp3, values_per_element: 1 },
        }
    }
}

fn without_line_ends(text: &[u8]) -> &[u8] {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = text.iter().position(|byte| !is_line_end(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_line_end(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
