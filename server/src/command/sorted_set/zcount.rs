//! Job: count the members of a sorted set whose scores lie in a range.
//! In: the words `ZCOUNT key min max`.
//! Out: their number.
//! Invariant: nothing changes; the cost does not depend on the number.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::sorted_set::range::score_range;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZCOUNT key min max`
pub const SPEC: Spec = Spec {
    name: "zcount",
    arity: 4,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "2.0.0",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    summary: "Counts the members of a sorted set whose scores lie in a range.",
    syntax: "key min max",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZCOUNT board -inf +inf", "(integer) 3"),
        ("ZCOUNT board (1 3", "(integer) 2"),
        ("ZCOUNT missing 0 1", "(integer) 0"),
        ("ZCOUNT board x 3", "(error) ERR min or max is not a float"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let range = score_range(&words[2], &words[3])?;
    let set = context.get::<SortedSet>(&words[1])?;
    reply.integer(set.map_or(0, |set| set.score_span(&range).len()) as i64);
    Ok(())
}
