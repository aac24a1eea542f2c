//! Job: what several string commands share: lengths, counters, expiry times, storing a value.
//! In: words of a command. Out: checked values, or the error that Redis gives.
//! Invariant: nothing is changed before everything that can fail has been checked.

use std::ops::Range;

use ringlet_base::number::parse_i64;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::{Entry, ValueRef};

use crate::command::spec::{CommandError, CommandResult, integer};
use crate::config::Config;
use crate::shard::context::Context;

/// The sum does not fit in 64 bits.
const OVERFLOW: CommandError = CommandError::new("ERR increment or decrement would overflow");

/// Checks that a string may grow to `length` bytes (`None`: more than can be counted).
/// Errors: the one of `proto-max-bulk-len`.
pub fn check_length(config: &Config, length: Option<usize>) -> CommandResult {
    match length {
        Some(length) if length <= config.bulk_bytes_max => Ok(()),
        _ => Err(CommandError::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)")),
    }
}

/// The bytes of a string. Errors: `WRONGTYPE`.
pub fn bytes_of(entry: &Entry) -> Result<&[u8], CommandError> {
    match entry.value() {
        ValueRef::String(bytes) => Ok(bytes),
        ValueRef::SharedString(bytes) => Ok(bytes),
        _ => Err(CommandError::WRONG_TYPE),
    }
}

/// What the number in an expiry option means.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ExpiryKind {
    /// `EX`: seconds from now.
    Seconds,
    /// `PX`: milliseconds from now.
    Milliseconds,
    /// `EXAT`: seconds since 1970.
    SecondsAt,
    /// `PXAT`: milliseconds since 1970.
    MillisecondsAt,
}

impl ExpiryKind {
    /// The kind an option word names.
    pub fn of_option(word: &[u8]) -> Option<ExpiryKind> {
        [
            ("EX", ExpiryKind::Seconds),
            ("PX", ExpiryKind::Milliseconds),
            ("EXAT", ExpiryKind::SecondsAt),
            ("PXAT", ExpiryKind::MillisecondsAt),
        ]
        .into_iter()
        .find_map(|(name, kind)| word.eq_ignore_ascii_case(name.as_bytes()).then_some(kind))
    }

    /// True when the number is a point in time, which may lie in the past.
    pub fn is_absolute(self) -> bool {
        matches!(self, ExpiryKind::SecondsAt | ExpiryKind::MillisecondsAt)
    }

    /// The absolute time in milliseconds that `word` stands for in `command`.
    /// Errors: no integer; not positive, or beyond 64 bits of milliseconds.
    pub fn resolve(self, word: &[u8], now_ms: i64, command: &str) -> Result<i64, CommandError> {
        let number = integer(word)?;
        let scale = match self {
            ExpiryKind::Seconds | ExpiryKind::SecondsAt => 1000,
            ExpiryKind::Milliseconds | ExpiryKind::MillisecondsAt => 1,
        };
        let start_ms = if self.is_absolute() { 0 } else { now_ms };
        number
            .checked_mul(scale)
            .filter(|_| number > 0)
            .and_then(|time_ms| time_ms.checked_add(start_ms))
            .ok_or_else(|| {
                CommandError::with(format!("ERR invalid expire time in '{command}' command"))
            })
    }
}

/// Replies with the bytes from word 2 to word 3, both included, of the string under word 1.
/// Negative positions count from the end. Errors: no integers, `WRONGTYPE`.
pub fn substring(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let (start, end) = (integer(&words[2])?, integer(&words[3])?);
    match context.read(&words[1]).map(Entry::value) {
        None => reply.bulk(b""),
        Some(ValueRef::String(bytes)) => reply.bulk(&bytes[span(start, end, bytes.len())]),
        Some(ValueRef::SharedString(bytes)) => {
            let span = span(start, end, bytes.len());
            // A slice keeps the whole string from being changed in place or freed until it is sent.
            // So a reply that shares weighs at least half of the string that it holds on to. The
            // room that the string has to grow comes on top, 1 MiB at most.
            if span.len() < bytes.len() / 2 {
                reply.bulk(&bytes[span]);
            } else {
                reply.bulk_shared(&bytes.slice(span));
            }
        }
        Some(_) => return Err(CommandError::WRONG_TYPE),
    }
    Ok(())
}

/// The range of indices that two positions of GETRANGE name in a string of `length` bytes.
fn span(start: i64, end: i64, length: usize) -> Range<usize> {
    let both_negative_and_crossed = start < 0 && end < 0 && start > end;
    let length = length as i64;
    let index = |position: i64| if position < 0 { (length + position).max(0) } else { position };
    let (start, end) = (index(start), index(end).min(length - 1));
    if both_negative_and_crossed || start > end {
        return 0..0;
    }
    start as usize..end as usize + 1
}

/// Adds `delta` to the integer under a key (0 when it is missing), keeps its expiry and replies
/// with the sum. Errors: `WRONGTYPE`, no integer, overflow.
pub fn increment(
    context: &mut Context<'_>,
    key: &[u8],
    delta: i64,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let mut buffer = itoa::Buffer::new();
    let sum = match context.write(key) {
        None => {
            context.set_string(key, buffer.format(delta).as_bytes(), None);
            delta
        }
        Some(entry) => {
            let old = parse_i64(bytes_of(entry)?).ok_or(CommandError::NOT_AN_INTEGER)?;
            let sum = old.checked_add(delta).ok_or(OVERFLOW)?;
            entry.set_string(buffer.format(sum).as_bytes());
            context.changed(key);
            sum
        }
    };
    reply.integer(sum);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ExpiryKind, span};
    use crate::command::list::trial::Trial;
    use crate::command::spec::CommandError;
    use ringlet_protocol::reply::Version;

    #[test]
    fn spans_are_those_of_redis_server() {
        for (start, end, length, expected) in [
            (0, -1, 5, 0..5),
            (-3, -2, 5, 2..4),
            (-100, 2, 5, 0..3),
            (5, 10, 5, 0..0),
            (3, 1, 5, 0..0),
            (-1, -5, 5, 0..0),
            (-10, -8, 5, 0..1),
            (0, -10, 5, 0..1),
            (0, 0, 0, 0..0),
            (0, -1, 0, 0..0),
            (i64::MIN, i64::MAX, 5, 0..5),
            (i64::MAX, i64::MIN, 5, 0..0),
        ] {
            assert_eq!(span(start, end, length), expected, "{start} {end} of {length}");
        }
    }

    #[test]
    fn a_reply_shares_a_string_only_for_half_of_its_bytes_or_more() {
        const LENGTH: usize = 200_000;
        let mut trial = Trial::new(Version::Resp2);
        trial.prepare(&format!("SET text {}", "x".repeat(LENGTH)));
        trial.prepare("APPEND text x");
        for (line, shared) in [
            ("GETRANGE text 0 -1", Some(LENGTH + 1)),
            ("GETRANGE text 0 99999", Some(LENGTH / 2)),
            ("GETRANGE text 5 99999", None),
            ("SUBSTR text -50000 -1", None),
        ] {
            let expected = shared.map_or((0, 0), |bytes| (1, bytes));
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            assert_eq!(trial.answer(&words).0.shared_values(), expected, "{line}");
        }
    }

    #[test]
    fn expiry_times_are_positive_and_fit() {
        let resolve = |kind: ExpiryKind, word: &str| kind.resolve(word.as_bytes(), 1_000, "set");
        let invalid = Err(CommandError::new("ERR invalid expire time in 'set' command"));
        assert_eq!(resolve(ExpiryKind::Seconds, "2"), Ok(3_000));
        assert_eq!(resolve(ExpiryKind::Milliseconds, "2"), Ok(1_002));
        assert_eq!(resolve(ExpiryKind::SecondsAt, "2"), Ok(2_000));
        assert_eq!(resolve(ExpiryKind::MillisecondsAt, "2"), Ok(2));
        assert_eq!(resolve(ExpiryKind::MillisecondsAt, "9223372036854775807"), Ok(i64::MAX));
        for (kind, word) in [
            (ExpiryKind::Seconds, "0"),
            (ExpiryKind::MillisecondsAt, "0"),
            (ExpiryKind::Milliseconds, "-1"),
            (ExpiryKind::SecondsAt, "9223372036854776"),
            (ExpiryKind::Seconds, "9223372036854775"),
            (ExpiryKind::Milliseconds, "9223372036854775807"),
        ] {
            assert_eq!(resolve(kind, word), invalid, "{kind:?} {word}");
        }
        assert_eq!(resolve(ExpiryKind::Seconds, "1.5"), Err(CommandError::NOT_AN_INTEGER));
    }
}
