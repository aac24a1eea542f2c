//! Job: count what is in all of several sets.
//! In: the words `SINTERCARD numkeys key [key ...] [LIMIT limit]`.
//! Out: the number of members, not above the limit.
//! Invariant: nothing changes; counting stops at the limit.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::list::words::at_least;
use crate::command::set::algebra::{inputs, visit_intersection};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags, is_word,
};
use crate::shard::context::Context;

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`
pub const SPEC: Spec = Spec {
    name: "sintercard",
    arity: -3,
    keys: Keys(&[KeySpec::counted(1)]),
    flags: flags::READONLY,
    categories: 0,
    group: Group::Set,
    since: "7.0.0",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the \
        number of sets.",
    summary: "Returns the size of the intersection of several sets.",
    syntax: "numkeys key [key ...] [LIMIT limit]",
    examples: &[
        ("SADD one 1 2 3", "(integer) 3"),
        ("SADD two 2 3 4", "(integer) 3"),
        ("SINTERCARD 2 one two", "(integer) 2"),
        ("SINTERCARD 2 one two LIMIT 1", "(integer) 1"),
        ("SINTERCARD 2 one missing", "(integer) 0"),
        ("SINTERCARD 0 one", "(error) ERR numkeys should be greater than 0"),
        ("SINTERCARD 3 one two", "(error) ERR Number of keys can't be greater than number of args"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key_count = at_least(1, &words[1], "ERR numkeys should be greater than 0")?;
    if key_count > words.len() - 2 {
        return Err(CommandError::new("ERR Number of keys can't be greater than number of args"));
    }
    let limit = parse_limit(words.from(2 + key_count))?;
    let sets = inputs(context, words.from(2).up_to(key_count))?;
    let mut count = 0;
    visit_intersection(&sets, |_| {
        count += 1;
        count < limit
    });
    reply.integer(count as i64);
    Ok(())
}

/// How far to count; the last LIMIT decides, and 0 means no limit.
fn parse_limit(options: Arguments<'_>) -> Result<usize, CommandError> {
    let mut limit = 0;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| is_word(option, "LIMIT"));
        limit = at_least(0, value.ok_or(CommandError::SYNTAX)?, "ERR LIMIT can't be negative")?;
    }
    Ok(if limit == 0 { usize::MAX } else { limit })
}
