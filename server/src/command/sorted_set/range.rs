//! Job: read the ranges of sorted sets and find out which ranks they cover.
//! In: words for the ends of a range and its options; a sorted set.
//! Out: a span of ranks, and whether it is wanted backwards.
//! Invariant: a span lies within the sorted set; words are judged in the order in which Redis does.

use std::ops::Range;

use ringlet_base::number::parse_f64_bound;
use ringlet_protocol::arguments::Arguments;
use ringlet_store::{LexBound, LexRange, ScoreBound, ScoreRange, SortedSet};

use crate::command::list::words::span;
use crate::command::spec::{CommandError, integer, is_word};

/// What the ends of a range are.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum By {
    /// Ranks, negative ones counted from the highest.
    Rank,
    /// Scores.
    Score,
    /// Members, which makes sense while all scores are equal.
    Member,
}

/// Which options a command has.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// ZRANGE: all of them.
    Free,
    /// ZRANGESTORE: all but WITHSCORES.
    Storing,
    /// ZRANGEBYSCORE and its kin: the name says what the ends are and whether it goes backwards.
    Fixed(By, bool),
}

#[derive(Copy, Clone, PartialEq, Debug)]
enum Ends<'a> {
    Rank(i64, i64),
    Score(ScoreRange),
    Member(LexRange<'a>),
}

/// A range as a command asks for it.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct RangeQuery<'a> {
    /// From the highest to the lowest.
    pub reverse: bool,
    /// Scores are wanted in the reply.
    pub with_scores: bool,
    ends: Ends<'a>,
    offset: i64,
    /// Members at most; negative: no limit.
    limit: i64,
}

impl<'a> RangeQuery<'a> {
    /// Reads both ends and the options behind them.
    pub fn parse(words: Arguments<'a>, dialect: Dialect) -> Result<RangeQuery<'a>, CommandError> {
        let (mut by, mut reverse) = match dialect {
            Dialect::Fixed(by, reverse) => (Some(by), Some(reverse)),
            Dialect::Free | Dialect::Storing => (None, None),
        };
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut options = words.from(2).iter();
        while let Some(option) = options.next() {
            if dialect != Dialect::Storing && is_word(option, "WITHSCORES") {
                with_scores = true;
            } else if options.len() >= 2 && is_word(option, "LIMIT") {
                offset = integer(options.next().unwrap_or_default())?;
                limit = integer(options.next().unwrap_or_default())?;
            } else if reverse.is_none() && is_word(option, "REV") {
                reverse = Some(true);
            } else if by.is_none() && is_word(option, "BYLEX") {
                by = Some(By::Member);
            } else if by.is_none() && is_word(option, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(CommandError::new(
                "ERR syntax error, LIMIT is only supported in combination with either \
                 BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Member {
            return Err(CommandError::new(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        // Ranges of scores and members that go backwards name their upper end first.
        let first = words.get(0).unwrap_or_default();
        let second = words.get(1).unwrap_or_default();
        let (min, max) = if reverse { (second, first) } else { (first, second) };
        let ends = match by {
            By::Rank => Ends::Rank(integer(first)?, integer(second)?),
            By::Score => Ends::Score(score_range(min, max)?),
            By::Member => Ends::Member(member_range(min, max)?),
        };
        Ok(RangeQuery { reverse, with_scores, ends, offset, limit })
    }

    /// The ranks that the range covers, with the lowest score first whatever the direction.
    pub fn resolve(&self, set: &SortedSet) -> Range<usize> {
        let found = match &self.ends {
            Ends::Rank(start, stop) => {
                let (length, span) = (set.len(), span(*start, *stop, set.len()));
                return if self.reverse { length - span.end..length - span.start } else { span };
            }
            Ends::Score(range) => set.score_span(range),
            Ends::Member(range) => set.lex_span(range),
        };
        let Ok(offset) = usize::try_from(self.offset) else { return found.start..found.start };
        let skipped = offset.min(found.len());
        let count = usize::try_from(self.limit).unwrap_or(usize::MAX).min(found.len() - skipped);
        if self.reverse {
            let end = found.end - skipped;
            end - count..end
        } else {
            let start = found.start + skipped;
            start..start + count
        }
    }
}

/// Reads both ends of a range of scores: numbers, with `(` in front where the end is outside.
pub fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
    let end = |word: &[u8]| {
        let (exclusive, number) = match word {
            [b'(', number @ ..] => (true, number),
            number => (false, number),
        };
        let score =
            parse_f64_bound(number).ok_or(CommandError::new("ERR min or max is not a float"))?;
        Ok(ScoreBound { score, exclusive })
    };
    Ok(ScoreRange { min: end(min)?, max: end(max)? })
}

/// Reads both ends of a range of members: `[` or `(` and a member, or `-` or `+` for no end.
pub fn member_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
    let end = |word: &'a [u8]| match word {
        b"-" => Ok(LexBound::Lowest),
        b"+" => Ok(LexBound::Highest),
        [b'[', member @ ..] => Ok(LexBound::Inclusive(member)),
        [b'(', member @ ..] => Ok(LexBound::Exclusive(member)),
        _ => Err(CommandError::new("ERR min or max not valid string range item")),
    };
    Ok(LexRange { min: end(min)?, max: end(max)? })
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::arguments::ArgumentArena;
    use ringlet_store::{KeyHasher, Limits};

    use super::*;

    /// Members a to e, each with the score of its place, from 1; or 0 for all.
    fn letters(scored: bool) -> SortedSet {
        let limits = Limits::new(KeyHasher::new([1, 2, 3, 4]));
        let mut set = SortedSet::new();
        for (place, member) in [b"a", b"b", b"c", b"d", b"e"].into_iter().enumerate() {
            set.insert(member, if scored { place as f64 + 1.0 } else { 0.0 }, &limits);
        }
        set
    }

    /// What a range of words gives, as one text.
    fn select(line: &str, dialect: Dialect, scored: bool) -> Result<String, CommandError> {
        let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        let mut arena = ArgumentArena::new();
        let range = arena.push_words(&words);
        let query = RangeQuery::parse(arena.get(range), dialect)?;
        let set = letters(scored);
        let members = set.range(query.resolve(&set)).map(|(member, _)| char::from(member[0]));
        Ok(if query.reverse { members.rev().collect() } else { members.collect() })
    }

    #[test]
    fn ranges_of_ranks_count_from_either_end() {
        for (line, expected) in [
            ("0 -1", "abcde"),
            ("1 2", "bc"),
            ("-2 100", "de"),
            ("3 1", ""),
            ("5 9", ""),
            ("0 1 REV", "ed"),
            ("-1 -1 REV", "a"),
            ("4 100 rev", "a"),
            ("5 100 REV", ""),
            // Without a limit the offset says nothing.
            ("0 -1 LIMIT 2 -1", "abcde"),
        ] {
            assert_eq!(select(line, Dialect::Free, true).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn ranges_of_scores_have_open_ends_and_limits() {
        for (line, expected) in [
            ("2 4 BYSCORE", "bcd"),
            ("(2 (4 BYSCORE", "c"),
            ("-inf +inf BYSCORE", "abcde"),
            ("4 2 BYSCORE", ""),
            ("(2 (2 BYSCORE", ""),
            ("4 2 BYSCORE REV", "dcb"),
            ("4 2 REV BYSCORE LIMIT 1 1", "c"),
            ("2 4 BYSCORE LIMIT 1 100", "cd"),
            ("2 4 BYSCORE LIMIT 3 1", ""),
            ("2 4 BYSCORE LIMIT 0 0", ""),
            ("2 4 BYSCORE LIMIT -1 5", ""),
            ("2 4 BYSCORE LIMIT 1 -7", "cd"),
        ] {
            assert_eq!(select(line, Dialect::Free, true).as_deref(), Ok(expected), "{line}");
        }
        let fixed = Dialect::Fixed(By::Score, true);
        assert_eq!(select("4 (2 LIMIT 0 1", fixed, true).as_deref(), Ok("d"));
    }

    #[test]
    fn ranges_of_members_have_open_ends_and_limits() {
        for (line, expected) in [
            ("- + BYLEX", "abcde"),
            ("[b [d BYLEX", "bcd"),
            ("(b (d BYLEX", "c"),
            ("+ - BYLEX", ""),
            ("[ + BYLEX", "abcde"),
            ("+ (b BYLEX REV LIMIT 1 1", "d"),
        ] {
            assert_eq!(select(line, Dialect::Free, false).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn words_are_refused_as_in_redis() {
        let limit =
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
        let scores = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
        let (free, fixed) = (Dialect::Free, Dialect::Fixed(By::Score, false));
        for (line, dialect, error) in [
            ("0 1 FOO", free, "ERR syntax error"),
            ("0 1 LIMIT 0", free, "ERR syntax error"),
            ("0 1 REV REV", free, "ERR syntax error"),
            ("0 1 BYSCORE BYLEX", free, "ERR syntax error"),
            ("0 1 BYSCORE", fixed, "ERR syntax error"),
            ("0 1 REV", fixed, "ERR syntax error"),
            ("0 1 WITHSCORES", Dialect::Storing, "ERR syntax error"),
            ("x 1", free, "ERR value is not an integer or out of range"),
            ("0 1 LIMIT x 1", free, "ERR value is not an integer or out of range"),
            ("0 1 LIMIT 0 1", free, limit),
            ("- + BYLEX WITHSCORES", free, scores),
            ("x 1 BYSCORE", free, "ERR min or max is not a float"),
            ("1 nan BYSCORE", free, "ERR min or max is not a float"),
            ("((1 2 BYSCORE", free, "ERR min or max is not a float"),
            ("a + BYLEX", free, "ERR min or max not valid string range item"),
            ("-a + BYLEX", free, "ERR min or max not valid string range item"),
        ] {
            assert_eq!(select(line, dialect, true), Err(CommandError::new(error)), "{line}");
        }
    }
}
