//! Job: what the SCAN family shares: cursors, options, the shape of the reply.
//! In: words of SCAN, HSCAN, SSCAN, ZSCAN. Out: checked options; `[cursor, [elements]]`.
//! Invariant: cursor 0 starts and ends an iteration; any other number is harmless.

use ringlet_base::glob;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::{Reply, ReplyBuffer, ReplyPosition};

use crate::command::spec::{CommandError, integer, is_word};

/// Elements that a call without COUNT asks for.
const COUNT_DEFAULT: usize = 10;

/// Reads a cursor as C's `strtoul` does: an optional sign, then digits, perhaps none.
/// Errors: "invalid cursor".
pub fn parse_cursor(word: &[u8]) -> Result<u64, CommandError> {
    const INVALID: CommandError = CommandError::new("ERR invalid cursor");
    let (negative, digits) = match word {
        [b'-', digits @ ..] if !digits.is_empty() => (true, digits),
        [b'+', digits @ ..] if !digits.is_empty() => (false, digits),
        digits => (false, digits),
    };
    let mut cursor = 0u64;
    for byte in digits {
        let digit = char::from(*byte).to_digit(10).ok_or(INVALID)?;
        cursor = cursor
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(digit)))
            .ok_or(INVALID)?;
    }
    Ok(if negative { cursor.wrapping_neg() } else { cursor })
}

/// The options of a scan.
#[derive(Debug, PartialEq, Eq)]
pub struct ScanOptions<'a> {
    /// `COUNT`: about how many elements one call visits.
    pub count: usize,
    /// `TYPE`, which only SCAN knows.
    pub type_name: Option<&'a [u8]>,
    pattern: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Reads the words after the cursor. Errors: unknown options, a COUNT that is not positive.
    pub fn parse(options: Arguments<'a>, has_type: bool) -> Result<ScanOptions<'a>, CommandError> {
        let mut parsed = ScanOptions { count: COUNT_DEFAULT, type_name: None, pattern: None };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let value = options.next().ok_or(CommandError::SYNTAX)?;
            if is_word(option, "COUNT") {
                let count = integer(value)?;
                if count < 1 {
                    return Err(CommandError::SYNTAX);
                }
                parsed.count = count as usize;
            } else if is_word(option, "MATCH") {
                parsed.pattern = Some(value).filter(|pattern| !glob::matches_everything(pattern));
            } else if is_word(option, "TYPE") && has_type {
                parsed.type_name = Some(value);
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(parsed)
    }

    /// True when the pattern lets an element through.
    pub fn matches(&self, element: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, element))
    }
}

/// Writes the reply of a scan. `write` writes elements and returns the next cursor and how many
/// they were; they are written aside because the cursor stands before them and is known after them.
pub fn reply_scan(reply: &mut Reply<'_>, write: impl FnOnce(&mut Reply<'_>) -> (u64, usize)) {
    let mut buffer = ReplyBuffer::new();
    let (cursor, count) = write(&mut Reply::new(&mut buffer, reply.version()));
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    reply.array(count);
    let elements = buffer.since(ReplyPosition::default());
    reply.buffer().append(&buffer, elements);
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::arguments::ArgumentArena;

    use super::{ScanOptions, parse_cursor};
    use crate::command::spec::CommandError;

    #[test]
    fn cursors_are_read_as_by_redis_server() {
        for (word, expected) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("00", Some(0)),
            ("+0", Some(0)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            (" 1", None),
            ("1 ", None),
            ("x", None),
            ("0x", None),
            ("-", None),
        ] {
            assert_eq!(parse_cursor(word.as_bytes()).ok(), expected, "{word:?}");
        }
    }

    #[test]
    fn options_are_checked() {
        let parse = |words: &[&[u8]], has_type| {
            let mut arena = ArgumentArena::new();
            let range = arena.push_words(words);
            ScanOptions::parse(arena.get(range), has_type)
                .map(|options| (options.count, options.matches(b""), options.matches(b"abc")))
        };
        assert_eq!(parse(&[], false), Ok((10, true, true)));
        assert_eq!(parse(&[b"count", b"5", b"COUNT", b"6"], false), Ok((6, true, true)));
        assert_eq!(parse(&[b"match", b"*"], false), Ok((10, true, true)));
        assert_eq!(parse(&[b"match", b"b*"], false), Ok((10, false, false)));
        assert_eq!(parse(&[b"match", b"b*", b"match", b"a*"], false), Ok((10, false, true)));
        assert_eq!(parse(&[b"type", b"hash"], true), Ok((10, true, true)));
        assert_eq!(parse(&[b"type", b"hash"], false), Err(CommandError::SYNTAX));
        assert_eq!(parse(&[b"count", b"0"], false), Err(CommandError::SYNTAX));
        assert_eq!(parse(&[b"count"], false), Err(CommandError::SYNTAX));
        assert_eq!(parse(&[b"count", b"x"], false), Err(CommandError::NOT_AN_INTEGER));
    }
}
