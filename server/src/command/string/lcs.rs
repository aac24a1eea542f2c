//! Job: find the longest common subsequence of two strings.
//! In: the words `LCS key1 key2` and options.
//! Out: the subsequence, its length, or the ranges where the strings match.
//! Invariant: time and memory are bounded: the table of lengths never exceeds `proto-max-bulk-len`.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Entry;

use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags, integer, is_word,
};
use crate::command::string::support::bytes_of;
use crate::shard::context::Context;

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]`
pub const SPEC: Spec = Spec {
    name: "lcs",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).to(1)]),
    flags: flags::READONLY,
    categories: 0,
    group: Group::String,
    since: "7.0.0",
    complexity: "O(N*M) where N and M are the lengths of the strings",
    summary: "Finds the longest common subsequence of two strings.",
    syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
    examples: &[
        ("MSET one ohmytext two mynewtext", "OK"),
        ("LCS one two", r#""mytext""#),
        ("LCS one two LEN", "(integer) 6"),
        (
            "LCS one two IDX MINMATCHLEN 4 WITHMATCHLEN",
            "1) \"matches\"\n2) 1) 1) 1) (integer) 4\n         2) (integer) 7\n      2) 1) (integer) 5\n         \
             2) (integer) 8\n      3) (integer) 4\n3) \"len\"\n4) (integer) 6",
        ),
        ("LCS one missing", r#""""#),
        (
            "LCS one two LEN IDX",
            "(error) ERR If you want both the length and indexes, please just use IDX.",
        ),
        ("RPUSH list a", "(integer) 1"),
        ("LCS one list", "(error) ERR The specified keys must contain string values"),
    ],
    run: Run::Keys(run),
};

/// What the reply is.
#[derive(Default)]
struct Options {
    length: bool,
    ranges: bool,
    with_lengths: bool,
    /// Ranges shorter than this many bytes are left out; not positive: none is.
    shortest: i64,
}

fn parse_options(options: Arguments<'_>) -> Result<Options, CommandError> {
    let mut parsed = Options::default();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        if is_word(option, "IDX") {
            parsed.ranges = true;
        } else if is_word(option, "LEN") {
            parsed.length = true;
        } else if is_word(option, "WITHMATCHLEN") {
            parsed.with_lengths = true;
        } else if is_word(option, "MINMATCHLEN") {
            parsed.shortest = integer(options.next().ok_or(CommandError::SYNTAX)?)?;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    if parsed.length && parsed.ranges {
        return Err(CommandError::new(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    Ok(parsed)
}

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // Both count as reads before either is looked at: a read borrows the whole context.
    context.read(&words[1]);
    context.read(&words[2]);
    let string = |key| {
        context.peek(key).map_or(Ok(&[][..]), |entry: &Entry| {
            bytes_of(entry)
                .map_err(|_| CommandError::new("ERR The specified keys must contain string values"))
        })
    };
    let (one, two) = (string(&words[1])?, string(&words[2])?);
    let options = parse_options(words.from(3))?;
    let lengths = Lengths::new(one, two, context.config.bulk_bytes_max as u64)?;
    if options.length {
        reply.integer(i64::from(lengths.total()));
    } else if options.ranges {
        reply_ranges(&lengths, &lengths.matches(one, two), &options, reply);
    } else {
        let mut common = Vec::with_capacity(lengths.total() as usize);
        for found in lengths.matches(one, two).iter().rev() {
            common.extend_from_slice(&one[found.one..found.one + found.length]);
        }
        reply.bulk(&common);
    }
    Ok(())
}

fn reply_ranges(lengths: &Lengths, matches: &[Match], options: &Options, reply: &mut Reply<'_>) {
    let is_shown = |found: &&Match| found.length as i64 >= options.shortest;
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(matches.iter().filter(is_shown).count());
    for found in matches.iter().filter(is_shown) {
        reply.array(if options.with_lengths { 3 } else { 2 });
        for start in [found.one, found.two] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + found.length - 1) as i64);
        }
        if options.with_lengths {
            reply.integer(found.length as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(i64::from(lengths.total()));
}

/// A run of equal bytes in both strings.
#[derive(Debug, PartialEq, Eq)]
struct Match {
    /// Where it starts in the first string.
    one: usize,
    /// Where it starts in the second string.
    two: usize,
    /// Bytes.
    length: usize,
}

/// For each pair of prefixes the length of their longest common subsequence.
struct Lengths {
    table: Vec<u32>,
    /// Lengths of the strings.
    rows: usize,
    columns: usize,
}

impl Lengths {
    /// Fills the table. Errors: the strings are too long for `bytes_max` bytes of table.
    fn new(one: &[u8], two: &[u8], bytes_max: u64) -> Result<Lengths, CommandError> {
        let longest = one.len().max(two.len()) as u64;
        if longest >= u64::from(u32::MAX) - 1 {
            return Err(CommandError::new("ERR String too long for LCS"));
        }
        let table_bytes = (one.len() as u64 + 1)
            .checked_mul(two.len() as u64 + 1)
            .and_then(|cells| cells.checked_mul(size_of::<u32>() as u64));
        if table_bytes.is_none_or(|bytes| bytes > bytes_max) {
            return Err(CommandError::new(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        let width = two.len() + 1;
        let mut table = vec![0; (one.len() + 1) * width];
        for (row, byte) in one.iter().enumerate() {
            let (above, below) = table[row * width..].split_at_mut(width);
            for (column, other) in two.iter().enumerate() {
                below[column + 1] = if byte == other {
                    above[column] + 1
                } else {
                    above[column + 1].max(below[column])
                };
            }
        }
        Ok(Lengths { table, rows: one.len(), columns: two.len() })
    }

    fn at(&self, row: usize, column: usize) -> u32 {
        self.table[row * (self.columns + 1) + column]
    }

    /// Length of the longest common subsequence of the whole strings.
    fn total(&self) -> u32 {
        self.at(self.rows, self.columns)
    }

    /// The runs of one longest common subsequence, from the end of the strings to their start.
    /// Where several are equally long it is the one that Redis finds.
    fn matches(&self, one: &[u8], two: &[u8]) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        let (mut row, mut column) = (self.rows, self.columns);
        while row > 0 && column > 0 {
            if one[row - 1] != two[column - 1] {
                if self.at(row - 1, column) > self.at(row, column - 1) {
                    row -= 1;
                } else {
                    column -= 1;
                }
                continue;
            }
            match matches.last_mut() {
                Some(last) if (last.one, last.two) == (row, column) => {
                    *last = Match { one: row - 1, two: column - 1, length: last.length + 1 };
                }
                _ => matches.push(Match { one: row - 1, two: column - 1, length: 1 }),
            }
            row -= 1;
            column -= 1;
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::{Lengths, Match};

    fn matches(one: &[u8], two: &[u8]) -> Vec<Match> {
        Lengths::new(one, two, 1 << 20).expect("short strings").matches(one, two)
    }

    #[test]
    fn runs_come_from_the_end() {
        let expected =
            vec![Match { one: 4, two: 5, length: 4 }, Match { one: 2, two: 0, length: 2 }];
        assert_eq!(matches(b"ohmytext", b"mynewtext"), expected);
        assert_eq!(matches(b"", b"abc"), vec![]);
        assert_eq!(matches(b"abc", b"abc"), vec![Match { one: 0, two: 0, length: 3 }]);
    }

    #[test]
    fn the_table_has_a_bound() {
        assert!(Lengths::new(&[0; 99], &[0; 99], 40_000).is_ok());
        assert!(Lengths::new(&[0; 99], &[0; 99], 39_999).is_err());
    }
}
