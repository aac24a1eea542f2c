//! Job: replies of RESP2 and RESP3 exactly as they stand on the wire.
//! In: a byte source that can be read line by line. Out: a [`Value`].
//! Invariant: nothing is normalised here; `$-1`, `*-1` and `_` stay three different values, and a
//! double keeps its text. What counts as equal is decided by whoever compares.

use std::fmt::{self, Write};
use std::io;

/// Deepest accepted nesting of aggregates.
const MAX_DEPTH: usize = 16;
/// Longest accepted bulk string in bytes.
const MAX_BULK_BYTES: i64 = 1 << 30;
/// Bytes of one string that are shown before the rest is cut off.
const SHOWN_BYTES: usize = 120;

/// A reply (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// `+OK`
    Simple(Vec<u8>),
    /// `-ERR ...`
    Error(Vec<u8>),
    /// `:1`
    Integer(i64),
    /// `$3`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `*2`
    Array(Vec<Value>),
    /// `%2`
    Map(Vec<(Value, Value)>),
    /// `~2`
    Set(Vec<Value>),
    /// `>2`
    Push(Vec<Value>),
    /// `,1.5`
    Double(Vec<u8>),
    /// `#t`
    Boolean(bool),
    /// `(12345678901234567890`
    BigNumber(Vec<u8>),
    /// `=15`, with the three letters of the format and the colon
    Verbatim(Vec<u8>),
}

/// Where the bytes of a reply come from.
pub trait Source {
    /// The next line without its line end.
    ///
    /// # Errors
    /// The error of the stream, `UnexpectedEof` at its end.
    fn line(&mut self) -> io::Result<Vec<u8>>;

    /// The next `length` bytes.
    ///
    /// # Errors
    /// The error of the stream, `UnexpectedEof` at its end.
    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>>;
}

impl Value {
    /// Reads one reply.
    ///
    /// # Errors
    /// The error of the source; `InvalidData` for bytes that are no reply.
    pub fn read(source: &mut dyn Source) -> io::Result<Self> {
        read_nested(source, 0)
    }

    /// The bytes of a simple, bulk, double or verbatim string.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Bulk(bytes) | Self::Double(bytes) => Some(bytes),
            Self::Verbatim(bytes) => bytes.get(4..),
            _ => None,
        }
    }

    /// The text of a string value, with invalid UTF-8 replaced; empty for other values.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes().unwrap_or_default()).into_owned()
    }

    /// The number of `:n`, or of a string that spells one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => std::str::from_utf8(other.bytes()?).ok()?.parse().ok(),
        }
    }

    /// The elements of an array, set or push.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The elements of an array, set or push; keys and values of a map in turn; nothing otherwise.
    pub fn into_items(self) -> Vec<Value> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => items,
            Self::Map(pairs) => pairs.into_iter().flat_map(|(key, value)| [key, value]).collect(),
            _ => Vec::new(),
        }
    }

    /// True for an error reply.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// True for each of the three nulls.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::NullBulk | Self::NullArray | Self::Null)
    }

    /// True for `+text`.
    pub fn is_simple(&self, text: &str) -> bool {
        matches!(self, Self::Simple(bytes) if bytes == text.as_bytes())
    }

    /// A bulk string.
    pub fn bulk(text: impl AsRef<[u8]>) -> Self {
        Self::Bulk(text.as_ref().to_vec())
    }

    /// `+OK`.
    pub fn ok() -> Self {
        Self::Simple(b"OK".to_vec())
    }
}

/// One line; aggregates in brackets that differ by kind.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(bytes) => write!(out, "+{}", String::from_utf8_lossy(bytes)),
            Self::Error(bytes) => write!(out, "-{}", String::from_utf8_lossy(bytes)),
            Self::Integer(number) => write!(out, ":{number}"),
            Self::Bulk(bytes) => out.write_str(&quoted(bytes)),
            Self::NullBulk => out.write_str("nil"),
            Self::NullArray => out.write_str("nil-array"),
            Self::Null => out.write_str("null"),
            Self::Array(items) => list(out, "[", items, "]"),
            Self::Set(items) => list(out, "set[", items, "]"),
            Self::Push(items) => list(out, "push[", items, "]"),
            Self::Map(pairs) => {
                out.write_str("map{")?;
                for (index, (key, value)) in pairs.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(out, "{separator}{key} => {value}")?;
                }
                out.write_char('}')
            }
            Self::Double(bytes) => write!(out, ",{}", String::from_utf8_lossy(bytes)),
            Self::Boolean(truth) => write!(out, "#{truth}"),
            Self::BigNumber(bytes) => write!(out, "({}", String::from_utf8_lossy(bytes)),
            Self::Verbatim(bytes) => write!(out, "={}", quoted(bytes)),
        }
    }
}

fn list(out: &mut fmt::Formatter<'_>, open: &str, items: &[Value], close: &str) -> fmt::Result {
    out.write_str(open)?;
    for (index, item) in items.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(out, "{separator}{item}")?;
    }
    out.write_str(close)
}

/// `bytes` in double quotes as redis-cli takes them, long ones cut off with their length.
pub fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes.iter().take(SHOWN_BYTES) {
        match byte {
            b'"' | b'\\' => text.extend(['\\', byte as char]),
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b' '..=b'~' => text.push(byte as char),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    if bytes.len() > SHOWN_BYTES {
        text.push_str(&format!("...({} bytes)", bytes.len()));
    }
    text
}

fn read_nested(source: &mut dyn Source, depth: usize) -> io::Result<Value> {
    let line = source.line()?;
    let (&kind, rest) = line.split_first().ok_or_else(|| invalid(&line))?;
    if depth > MAX_DEPTH {
        return Err(invalid(&line));
    }
    let value = match kind {
        b'+' => Value::Simple(rest.to_vec()),
        b'-' => Value::Error(rest.to_vec()),
        b':' => Value::Integer(number(&line)?),
        b',' => Value::Double(rest.to_vec()),
        b'(' => Value::BigNumber(rest.to_vec()),
        b'_' if rest.is_empty() => Value::Null,
        b'#' if rest == b"t" => Value::Boolean(true),
        b'#' if rest == b"f" => Value::Boolean(false),
        b'$' if rest == b"-1" => Value::NullBulk,
        b'*' if rest == b"-1" => Value::NullArray,
        b'$' => Value::Bulk(string(source, &line)?),
        b'=' => Value::Verbatim(string(source, &line)?),
        b'*' => Value::Array(items(source, &line, 1, depth)?),
        b'~' => Value::Set(items(source, &line, 1, depth)?),
        b'>' => Value::Push(items(source, &line, 1, depth)?),
        b'%' => Value::Map(pairs(items(source, &line, 2, depth)?)),
        b'|' => {
            items(source, &line, 2, depth)?;
            read_nested(source, depth)?
        }
        _ => return Err(invalid(&line)),
    };
    Ok(value)
}

fn number(line: &[u8]) -> io::Result<i64> {
    let text = std::str::from_utf8(&line[1..]).map_err(|_| invalid(line))?;
    text.parse().map_err(|_| invalid(line))
}

fn string(source: &mut dyn Source, line: &[u8]) -> io::Result<Vec<u8>> {
    let length = number(line)?;
    if !(0..=MAX_BULK_BYTES).contains(&length) {
        return Err(invalid(line));
    }
    let mut bytes = source.exactly(length as usize + 2)?;
    if bytes.split_off(length as usize) != b"\r\n" {
        return Err(invalid(line));
    }
    Ok(bytes)
}

fn items(source: &mut dyn Source, line: &[u8], each: i64, depth: usize) -> io::Result<Vec<Value>> {
    let count = number(line)?;
    if count < 0 {
        return Err(invalid(line));
    }
    (0..count * each).map(|_| read_nested(source, depth + 1)).collect()
}

/// Neighbours become pairs; a last element without neighbour is dropped.
pub fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    let mut items = items.into_iter();
    let mut pairs = Vec::new();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn invalid(line: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a reply: {}", quoted(line)))
}
