//! Job: read the framing that nearly every request has, in as few steps as possible.
//! In: the unread bytes of a connection. Out: spans and lengths, or `None` for anything unusual.
//! Invariant: what is accepted here is what the thorough parser accepts, and within any limits that
//! it may have; what is refused here is left to it from the start.

use ringlet_base::limits::{
    ARGUMENTS_UNAUTHENTICATED_MAX, BULK_UNAUTHENTICATED_BYTES_MAX, LARGE_ARGUMENT_BYTES,
};

use crate::arguments::Span;

/// Words of a command that is read the quick way.
pub const QUICK_WORDS_MAX: usize = 9;

const _: () = {
    assert!(QUICK_WORDS_MAX <= ARGUMENTS_UNAUTHENTICATED_MAX);
    assert!(LARGE_ARGUMENT_BYTES <= BULK_UNAUTHENTICATED_BYTES_MAX + 1);
};

/// Reads a command that is there as a whole and has at most [`QUICK_WORDS_MAX`] words, all small:
/// what nearly every command is. `None` for any other, whose spans may have been noted in part.
#[inline]
pub(crate) fn quick_command(input: &[u8], spans: &mut Vec<Span>) -> Option<usize> {
    let [b'*', count @ b'1'..=b'9', b'\r', _, ..] = *input else { return None };
    let mut at = 4;
    for _ in 0..count - b'0' {
        if *input.get(at)? != b'$' {
            return None;
        }
        let (length, line) = short_length(&input[at..])?;
        let start = at + line;
        let end = start + length as usize + 2;
        if length >= LARGE_ARGUMENT_BYTES as i64 || end > input.len() {
            return None;
        }
        spans.push(Span::inline(start, length as usize));
        at = end;
    }
    Some(at)
}

/// Reads a marker, up to nine digits in canonical form and the line end: the number and the bytes
/// used. `None` if the line is anything else or not there as a whole.
#[inline]
pub(crate) fn short_length(unread: &[u8]) -> Option<(i64, usize)> {
    let mut number = 0i64;
    let mut at = 1;
    loop {
        let digit = unread.get(at)?.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if at > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
        at += 1;
    }
    let canonical = at == 2 || (at > 2 && unread[1] != b'0');
    (canonical && unread[at] == b'\r' && at + 1 < unread.len()).then_some((number, at + 2))
}
