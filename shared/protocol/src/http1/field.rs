//! Places of header fields in a head, and readers of values.
//!
//! Job: keep where names and values lie, and take values apart. In: bytes of a head.
//! Out: [`Span`]s, [`Field`]s, members of lists, numbers.
//! Invariant: a span lies within the bytes that were parsed; nothing is copied.

use std::ops::Range;

use super::Known;

/// A part of the bytes that were parsed.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
}

impl Span {
    /// Where `part`, a part of `whole`, lies in it.
    pub(super) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        debug_assert!(part.is_empty() || start + part.len() <= whole.len());
        let start = start.min(whole.len());
        Self { start: start as u32, end: (start + part.len()) as u32 }
    }

    /// The bytes.
    #[must_use]
    pub fn of_input<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        &input[self.start as usize..self.end as usize]
    }
}

/// A header field.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub(super) name: Span,
    pub(super) value: Span,
    /// Which one it is.
    pub known: Known,
}

impl Field {
    /// The name as it was written.
    #[must_use]
    pub fn name<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.name.of_input(input)
    }

    /// The value without white space around it.
    #[must_use]
    pub fn value<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.value.of_input(input)
    }

    /// Where the whole line lies, if it is written `Name: value` and nothing else: then it can be copied
    /// as it is.
    #[must_use]
    pub fn line(&self, input: &[u8]) -> Option<Range<usize>> {
        let (name_end, value) = (self.name.end as usize, self.value.start as usize);
        let end = self.value.end as usize + 2;
        let is_plain = value == name_end + 2
            && input.get(name_end..value) == Some(b": ")
            && input.get(end - 2..end) == Some(b"\r\n");
        is_plain.then_some(self.name.start as usize..end)
    }
}

/// The members of a comma-separated list, without white space around them and without empty ones.
pub fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Without spaces and tabs around it.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A number of 1 to 19 decimal digits and nothing else, that fits 63 bits: a server whose lengths have a
/// sign must not read another one.
pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    i64::try_from(number).is_ok().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_digits_only() {
        for (text, number) in [
            ("0", Some(0)),
            ("010", Some(10)),
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372036854775808", None),
            ("9999999999999999999", None),
        ] {
            assert_eq!(decimal(text.as_bytes()), number, "{text}");
        }
        for text in ["", "+5", "-1", "0x10", "1_0", "5, 6", "5 ", "10000000000000000000000"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn lists_are_taken_apart() {
        assert_eq!(members(b" a, b\t,, c ,").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    }
}
