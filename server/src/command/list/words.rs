//! Job: read the words that lists, sets and sorted sets have in common: counts, timeouts, spans.
//! In: words of a command.
//! Out: numbers within their bounds, or the error that Redis gives.
//! Invariant: what is returned needs no further check against overflow.

use std::ops::Range;

use ringlet_base::number::{parse_f64, parse_i64};
use ringlet_protocol::arguments::Arguments;

use crate::command::spec::{CommandError, integer, is_word};

const NOT_POSITIVE: &str = "ERR value is out of range, must be positive";
const NOT_SYMMETRIC: CommandError = CommandError::new(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

/// Reads an integer that is `least` or more; any other word gives the error `message`.
pub fn at_least(least: i64, word: &[u8], message: &'static str) -> Result<usize, CommandError> {
    debug_assert!(least >= 0);
    match parse_i64(word) {
        Some(number) if number >= least => Ok(number as usize),
        _ => Err(CommandError::new(message)),
    }
}

/// Reads a count that may be zero.
pub fn non_negative(word: &[u8]) -> Result<usize, CommandError> {
    at_least(0, word, NOT_POSITIVE)
}

/// Reads an integer whose negation is one, too.
pub fn symmetric(word: &[u8]) -> Result<i64, CommandError> {
    integer(word)?.checked_neg().map(|negated| -negated).ok_or(NOT_SYMMETRIC)
}

/// Reads a timeout in seconds, with decimals, and returns it in milliseconds rounded up; 0 is for
/// ever. `now_ms`: the time it will be added to.
pub fn timeout_ms(word: &[u8], now_ms: i64) -> Result<i64, CommandError> {
    let seconds =
        parse_f64(word).ok_or(CommandError::new("ERR timeout is not a float or out of range"))?;
    // The conversion saturates, so what is too large for the range is caught by the second check.
    let timeout_ms = (seconds * 1000.0).ceil() as i64;
    if timeout_ms < 0 {
        return Err(CommandError::new("ERR timeout is negative"));
    }
    if timeout_ms > i64::MAX - now_ms {
        return Err(CommandError::new("ERR timeout is out of range"));
    }
    Ok(timeout_ms)
}

/// The places from `start` to `stop`, both included and counted from the end when negative, cut to
/// a collection of `length` elements. An empty result begins at 0.
pub fn span(start: i64, stop: i64, length: usize) -> Range<usize> {
    let length = length as i64;
    let from_end = |index: i64| if index < 0 { index + length } else { index };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(length - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

/// The words of LMPOP and ZMPOP from the number of keys on.
#[derive(Debug)]
pub struct MultiPop<'a, E> {
    /// The keys, at least one.
    pub keys: Arguments<'a>,
    /// From which end to pop.
    pub end: E,
    /// How many elements to pop at most, at least 1.
    pub count: usize,
}

impl<'a, E> MultiPop<'a, E> {
    /// Reads `numkeys key [key ...] end [COUNT count]`, with `numkeys` at index `at`.
    pub fn parse(
        words: Arguments<'a>,
        at: usize,
        end: fn(&[u8]) -> Result<E, CommandError>,
    ) -> Result<MultiPop<'a, E>, CommandError> {
        let key_count = at_least(1, &words[at], "ERR numkeys should be greater than 0")?;
        let keys = words.from(at + 1).up_to(key_count);
        let options = words.from(at + 1).from(key_count);
        let end = end(options.get(0).ok_or(CommandError::SYNTAX)?)?;
        let count = match options.get(1) {
            None => 1,
            Some(option) if is_word(option, "COUNT") => {
                let word = options.get(2).ok_or(CommandError::SYNTAX)?;
                at_least(1, word, "ERR count should be greater than 0")?
            }
            Some(_) => return Err(CommandError::SYNTAX),
        };
        if options.len() > 3 {
            return Err(CommandError::SYNTAX);
        }
        Ok(MultiPop { keys, end, count })
    }
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::arguments::ArgumentArena;

    use super::*;
    use crate::command::list::support::End;

    #[test]
    fn spans_are_cut_to_the_collection() {
        for (start, stop, length, expected) in [
            (0, -1, 3, 0..3),
            (0, 0, 3, 0..1),
            (-1, -1, 3, 2..3),
            (-100, 100, 3, 0..3),
            (1, 1, 3, 1..2),
            (2, 1, 3, 0..0),
            (3, 5, 3, 0..0),
            (-5, -4, 3, 0..0),
            (0, -1, 0, 0..0),
            (i64::MIN, i64::MAX, 3, 0..3),
            (i64::MAX, i64::MIN, 3, 0..0),
        ] {
            assert_eq!(span(start, stop, length), expected, "{start} {stop} {length}");
        }
    }

    #[test]
    fn timeouts_are_rounded_up_and_bounded() {
        let now_ms = 1_700_000_000_000;
        assert_eq!(timeout_ms(b"0", now_ms), Ok(0));
        assert_eq!(timeout_ms(b"1.5", now_ms), Ok(1500));
        assert_eq!(timeout_ms(b"0.0001", now_ms), Ok(1));
        // Less than a millisecond below zero rounds up to zero, in Redis too.
        assert_eq!(timeout_ms(b"-0.0001", now_ms), Ok(0));
        for (word, error) in [
            ("-1", "ERR timeout is negative"),
            ("-inf", "ERR timeout is negative"),
            ("inf", "ERR timeout is out of range"),
            ("1e30", "ERR timeout is out of range"),
            ("9223372036854775", "ERR timeout is out of range"),
            ("nan", "ERR timeout is not a float or out of range"),
            ("", "ERR timeout is not a float or out of range"),
            (" 1", "ERR timeout is not a float or out of range"),
            ("soon", "ERR timeout is not a float or out of range"),
        ] {
            assert_eq!(
                timeout_ms(word.as_bytes(), now_ms),
                Err(CommandError::new(error)),
                "{word}"
            );
        }
    }

    #[test]
    fn the_smallest_integer_has_no_negation() {
        assert_eq!(symmetric(b"-9223372036854775807"), Ok(-i64::MAX));
        assert_eq!(symmetric(b"-9223372036854775808"), Err(NOT_SYMMETRIC));
        assert_eq!(symmetric(b"x"), Err(CommandError::NOT_AN_INTEGER));
        assert_eq!(non_negative(b"-1"), Err(CommandError::new(NOT_POSITIVE)));
        assert_eq!(non_negative(b"x"), Err(CommandError::new(NOT_POSITIVE)));
    }

    #[test]
    fn a_multi_pop_is_read_and_refused_as_in_redis() {
        let read = |line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let mut arena = ArgumentArena::new();
            let range = arena.push_words(&words);
            MultiPop::parse(arena.get(range), 1, End::parse)
                .map(|request| (request.keys.len(), request.end, request.count))
        };
        let error = |text| Err(CommandError::new(text));
        assert_eq!(read("LMPOP 1 a LEFT"), Ok((1, End::Left, 1)));
        assert_eq!(read("LMPOP 2 a b right count 7"), Ok((2, End::Right, 7)));
        assert_eq!(read("LMPOP 0 a LEFT"), error("ERR numkeys should be greater than 0"));
        assert_eq!(read("LMPOP x a LEFT"), error("ERR numkeys should be greater than 0"));
        assert_eq!(read("LMPOP 1 a LEFT COUNT 0"), error("ERR count should be greater than 0"));
        for line in [
            "LMPOP 2 a LEFT",
            "LMPOP 9223372036854775807 a LEFT",
            "LMPOP 1 a MIDDLE",
            "LMPOP 1 a MIDDLE COUNT 0",
            "LMPOP 1 a LEFT COUNT",
            "LMPOP 1 a LEFT LIMIT 1",
            "LMPOP 1 a LEFT COUNT 1 COUNT 2",
        ] {
            assert_eq!(read(line), Err(CommandError::SYNTAX), "{line}");
        }
    }
}
