//! Job: read replies back: as a tree, or only their extents.
//! In: bytes of RESP2 or RESP3 replies, perhaps incomplete or malformed.
//! Out: [`Value`]s, or offsets.
//! Invariant: no input panics; nesting is bounded for trees and costs nothing for extents; memory
//! is reserved only for elements that are there.

use bytes::Bytes;
use memchr::memchr;
use ringlet_base::limits::REPLY_DEPTH_MAX;
use ringlet_base::number::{parse_f64, parse_i64};

use crate::reply_buffer::ReplyPosition;

/// One reply, told apart as finely as the bytes tell it, so that equal values mean equal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `+`
    Simple(Vec<u8>),
    /// `-`: the text without the marker.
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*`
    Array(Vec<Value>),
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `#`
    Boolean(bool),
    /// `,`: the text; see [`Value::as_f64`].
    Double(Vec<u8>),
    /// `(`: the digits.
    BigNumber(Vec<u8>),
    /// `!`: the text.
    BulkError(Vec<u8>),
    /// `=`
    Verbatim {
        /// Three letters such as `txt`.
        format: [u8; 3],
        /// What follows the format and its colon.
        text: Vec<u8>,
    },
    /// `%`: in the order of the wire.
    Map(Vec<(Value, Value)>),
    /// `~`
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
    /// `|`: attributes and the value they belong to.
    Attribute(Vec<(Value, Value)>, Box<Value>),
}

/// Bytes that are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the bytes are no RESP reply")
    }
}

impl std::error::Error for Malformed {}

impl Value {
    /// Reads one reply from the start of `bytes`: the value and the bytes it takes, or `None` if it
    /// has not arrived as a whole.
    ///
    /// # Errors
    /// [`Malformed`], also for nesting deeper than [`REPLY_DEPTH_MAX`].
    pub fn parse(bytes: &[u8]) -> Result<Option<(Value, usize)>, Malformed> {
        let mut reader = Reader { cursor: Cursor::new(bytes, &[], ReplyPosition::default()) };
        Ok(reader.value(REPLY_DEPTH_MAX)?.map(|value| (value, reader.cursor.at.bytes)))
    }

    /// The number in a double, integer, string or simple string.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Double(text) | Self::Bulk(text) | Self::Simple(text) => parse_f64(text),
            Self::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// Whether the value is an error of either kind.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_) | Self::BulkError(_))
    }
}

/// Bytes that the first whole reply of `bytes` takes, attributes before it included. `None` if it
/// is incomplete or no reply.
#[must_use]
pub fn skip_value(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes, &[], ReplyPosition::default());
    cursor.skip_value()?;
    Some(cursor.at.bytes)
}

/// The elements of the aggregate at the start of `bytes`, each as its raw bytes; keys and values of
/// a map alternate. `None` if there is no aggregate.
#[must_use]
pub fn elements(bytes: &[u8]) -> Option<Elements<'_>> {
    let mut cursor = Cursor::new(bytes, &[], ReplyPosition::default());
    let missing = cursor.enter_aggregate()?;
    Some(Elements { cursor, missing })
}

/// Iterator over the raw elements of an aggregate; ends early if they are incomplete.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    cursor: Cursor<'a>,
    missing: usize,
}

impl Elements<'_> {
    /// Elements announced and not yet given out.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.missing
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.missing = self.missing.checked_sub(1)?;
        let start = self.cursor.at.bytes;
        self.cursor.skip_value()?;
        Some(&self.cursor.bytes[start..self.cursor.at.bytes])
    }
}

/// Walks over replies whose long strings may lie beside the bytes, as in a reply buffer.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    shared: &'a [(usize, Bytes)],
    at: ReplyPosition,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], shared: &'a [(usize, Bytes)], at: ReplyPosition) -> Self {
        Self { bytes, shared, at }
    }

    pub(crate) fn position(&self) -> ReplyPosition {
        self.at
    }

    /// Steps over one value, with what it contains. No recursion: what is still to be stepped over
    /// is a number.
    pub(crate) fn skip_value(&mut self) -> Option<()> {
        let mut missing = 1usize;
        while missing > 0 {
            missing -= 1;
            let (marker, line) = self.line()?;
            match marker {
                b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {}
                b'$' | b'!' | b'=' => {
                    if let Some(length) = length(line)? {
                        self.skip_payload(length)?;
                    }
                }
                _ => missing = missing.checked_add(children(marker, line)?)?,
            }
        }
        Some(())
    }

    /// Steps over the header of an aggregate and returns the number of values in it.
    pub(crate) fn enter_aggregate(&mut self) -> Option<usize> {
        let (marker, line) = self.line()?;
        if marker == b'|' { None } else { children(marker, line) }
    }

    /// Steps over one line: its marker and what follows.
    fn line(&mut self) -> Option<(u8, &'a [u8])> {
        let rest = self.bytes.get(self.at.bytes..)?;
        let end = memchr(b'\r', rest)?;
        if end == 0 || rest.get(end + 1) != Some(&b'\n') {
            return None;
        }
        self.at.bytes += end + 2;
        Some((rest[0], &rest[1..end]))
    }

    fn skip_payload(&mut self, length: usize) -> Option<()> {
        match self.shared.get(self.at.shared) {
            Some((place, value)) if *place == self.at.bytes && length > 0 => {
                if value.len() != length {
                    return None;
                }
                self.at.shared += 1;
            }
            _ => self.at.bytes = self.at.bytes.checked_add(length)?,
        }
        let end = self.at.bytes.checked_add(2)?;
        if self.bytes.get(self.at.bytes..end)? != b"\r\n" {
            return None;
        }
        self.at.bytes = end;
        Some(())
    }
}

/// A length or count; the inner `None` stands for -1.
fn length(line: &[u8]) -> Option<Option<usize>> {
    match parse_i64(line)? {
        -1 => Some(None),
        number => usize::try_from(number).ok().map(Some),
    }
}

/// Values that belong to the aggregate with this header, the value behind attributes included.
fn children(marker: u8, line: &[u8]) -> Option<usize> {
    let count = length(line)?;
    match marker {
        b'*' => Some(count.unwrap_or(0)),
        b'~' | b'>' => count,
        b'%' => count?.checked_mul(2),
        b'|' => count?.checked_mul(2)?.checked_add(1),
        _ => None,
    }
}

/// Builds trees. Each reading is `Ok(None)` if bytes are missing.
struct Reader<'a> {
    cursor: Cursor<'a>,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Option<Value>, Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed)?;
        let rest = &self.cursor.bytes[self.cursor.at.bytes..];
        let Some((marker, line)) = self.cursor.line() else {
            return match memchr(b'\r', rest) {
                // A line that begins with its end, or whose CR has no LF.
                Some(0) => Err(Malformed),
                Some(end) if end + 1 < rest.len() => Err(Malformed),
                _ => Ok(None),
            };
        };
        Ok(Some(match marker {
            b'+' => Value::Simple(line.to_vec()),
            b'-' => Value::Error(line.to_vec()),
            b':' => Value::Integer(parse_i64(line).ok_or(Malformed)?),
            b',' => Value::Double(line.to_vec()),
            b'(' => Value::BigNumber(line.to_vec()),
            b'_' if line.is_empty() => Value::Null,
            b'#' if line == b"t" => Value::Boolean(true),
            b'#' if line == b"f" => Value::Boolean(false),
            b'$' | b'!' | b'=' => {
                let Some(length) = length(line).ok_or(Malformed)? else {
                    return if marker == b'$' { Ok(Some(Value::NullBulk)) } else { Err(Malformed) };
                };
                let Some(payload) = self.payload(length)? else { return Ok(None) };
                match (marker, payload) {
                    (b'$', payload) => Value::Bulk(payload.to_vec()),
                    (b'!', payload) => Value::BulkError(payload.to_vec()),
                    (_, [a, b, c, b':', text @ ..]) => {
                        Value::Verbatim { format: [*a, *b, *c], text: text.to_vec() }
                    }
                    _ => return Err(Malformed),
                }
            }
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let Some(count) = length(line).ok_or(Malformed)? else {
                    return if marker == b'*' {
                        Ok(Some(Value::NullArray))
                    } else {
                        Err(Malformed)
                    };
                };
                return self.aggregate(marker, count, depth);
            }
            _ => return Err(Malformed),
        }))
    }

    fn aggregate(
        &mut self,
        marker: u8,
        count: usize,
        depth: usize,
    ) -> Result<Option<Value>, Malformed> {
        if matches!(marker, b'%' | b'|') {
            let Some(pairs) = self.pairs(count, depth)? else { return Ok(None) };
            if marker == b'%' {
                return Ok(Some(Value::Map(pairs)));
            }
            let value = self.value(depth)?;
            return Ok(value.map(|value| Value::Attribute(pairs, Box::new(value))));
        }
        let mut values = Vec::new();
        for _ in 0..count {
            let Some(value) = self.value(depth)? else { return Ok(None) };
            values.push(value);
        }
        Ok(Some(match marker {
            b'~' => Value::Set(values),
            b'>' => Value::Push(values),
            _ => Value::Array(values),
        }))
    }

    fn pairs(
        &mut self,
        count: usize,
        depth: usize,
    ) -> Result<Option<Vec<(Value, Value)>>, Malformed> {
        let mut pairs = Vec::new();
        for _ in 0..count {
            let Some(key) = self.value(depth)? else { return Ok(None) };
            let Some(value) = self.value(depth)? else { return Ok(None) };
            pairs.push((key, value));
        }
        Ok(Some(pairs))
    }

    fn payload(&mut self, length: usize) -> Result<Option<&[u8]>, Malformed> {
        let start = self.cursor.at.bytes;
        let end = start.checked_add(length).ok_or(Malformed)?;
        let after = end.checked_add(2).ok_or(Malformed)?;
        let Some(ending) = self.cursor.bytes.get(end..after) else { return Ok(None) };
        if ending != b"\r\n" {
            return Err(Malformed);
        }
        self.cursor.at.bytes = after;
        Ok(Some(&self.cursor.bytes[start..end]))
    }
}

#[cfg(test)]
#[path = "resp_value_tests.rs"]
mod tests;
