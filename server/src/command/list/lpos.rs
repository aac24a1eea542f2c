//! Job: find elements of a list that equal a value.
//! In: the words `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`.
//! Out: the index of a match, null when there is none; with COUNT an array of indices.
//! Invariant: nothing changes; at most MAXLEN elements are compared.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::list::List;

use crate::command::list::words::{at_least, symmetric};
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags, is_word};
use crate::shard::context::Context;

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub const SPEC: Spec = Spec {
    name: "lpos",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::List,
    since: "6.0.6",
    complexity: "O(N) where N is the number of elements in the list, for the average case. When \
        searching for elements near the head or the tail of the list, or when the MAXLEN \
        option is provided, the command may run in constant time.",
    summary: "Returns the indices of the elements of a list that equal a value.",
    syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
    examples: &[
        ("RPUSH list a b c a b c", "(integer) 6"),
        ("LPOS list c", "(integer) 2"),
        ("LPOS list c RANK -1", "(integer) 5"),
        ("LPOS list c COUNT 0", "1) (integer) 2\n2) (integer) 5"),
        ("LPOS list c COUNT 0 MAXLEN 4", "1) (integer) 2"),
        ("LPOS list x", "(nil)"),
        ("LPOS list x COUNT 1", "(empty array)"),
        (
            "LPOS list c RANK 0",
            "(error) ERR RANK can't be zero: use 1 to start from the first match, 2 from the \
             second ... or use negative to start from the end of the list",
        ),
    ],
    run: Run::Keys(run),
};

const RANK_ZERO: CommandError = CommandError::new(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
     or use negative to start from the end of the list",
);

/// What to look for; a bound of 0 means none.
struct Options {
    /// With which match to begin: 1 the first, -1 the last and then backwards.
    rank: i64,
    /// How many matches are wanted; `None`: one, and not as an array.
    count: Option<usize>,
    /// Elements to compare at most.
    compare_max: usize,
}

fn parse(options: Arguments<'_>) -> Result<Options, CommandError> {
    let mut parsed = Options { rank: 1, count: None, compare_max: 0 };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options.next().ok_or(CommandError::SYNTAX)?;
        if is_word(option, "RANK") {
            parsed.rank = symmetric(value)?;
            if parsed.rank == 0 {
                return Err(RANK_ZERO);
            }
        } else if is_word(option, "COUNT") {
            parsed.count = Some(at_least(0, value, "ERR COUNT can't be negative")?);
        } else if is_word(option, "MAXLEN") {
            parsed.compare_max = at_least(0, value, "ERR MAXLEN can't be negative")?;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok(parsed)
}

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = parse(words.from(3))?;
    let list = context.get::<List>(&words[1])?;
    let indices = list.map_or_else(Vec::new, |list| {
        list.positions(&words[2], options.rank, options.count.unwrap_or(1), options.compare_max)
    });
    if options.count.is_some() {
        reply.array(indices.len());
    } else if indices.is_empty() {
        reply.null();
    }
    indices.iter().for_each(|index| reply.integer(*index as i64));
    Ok(())
}
