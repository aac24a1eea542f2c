//! Where a head ends.
//!
//! Job: look for the empty line. A head that comes in pieces is looked at from its start each time: it
//! is short, its sender has little time, and whoever parses need not remember whose head it was.
//! In: the bytes so far. Out: the length of the head.
//! Invariant: every LF up to that length follows a CR; the verdict is the same however the bytes were
//! cut, as nothing behind the most that a head may measure is looked at.

use super::error::HeadFault;

/// Where the head ends that begins after `skipped` bytes of `input`; `None` when more must come.
pub(super) fn find_end(
    input: &[u8],
    skipped: usize,
    bytes_max: usize,
) -> Result<Option<usize>, HeadFault> {
    let seen = &input[..input.len().min(bytes_max.saturating_add(skipped))];
    for line_feed in memchr::memchr_iter(b'\n', &seen[skipped..]) {
        let at = skipped + line_feed;
        if at == 0 || seen[at - 1] != b'\r' {
            return Err(HeadFault::Malformed("a line does not end in CRLF"));
        }
        if at >= 3 && seen[at - 2] == b'\n' {
            return Ok(Some(at + 1));
        }
    }
    if seen.len() < input.len() {
        let has_line = memchr::memchr(b'\n', &seen[skipped..]).is_some();
        return Err(if has_line { HeadFault::TooLarge } else { HeadFault::LineTooLong });
    }
    Ok(None)
}
