//! Job: count the members of a sorted set that lie in a range, where all scores are equal.
//! In: the words `ZLEXCOUNT key min max`.
//! Out: their number.
//! Invariant: nothing changes; the cost does not depend on the number.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::sorted_set::range::member_range;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZLEXCOUNT key min max`
pub const SPEC: Spec = Spec {
    name: "zlexcount",
    arity: 4,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "2.8.9",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    summary: "Counts the members of a sorted set that lie in a range of members.",
    syntax: "key min max",
    examples: &[
        ("ZADD names 0 ann 0 bob 0 cleo", "(integer) 3"),
        ("ZLEXCOUNT names - +", "(integer) 3"),
        ("ZLEXCOUNT names (ann [bob", "(integer) 1"),
        ("ZLEXCOUNT names ann bob", "(error) ERR min or max not valid string range item"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let range = member_range(&words[2], &words[3])?;
    let set = context.get::<SortedSet>(&words[1])?;
    reply.integer(set.map_or(0, |set| set.lex_span(&range).len()) as i64);
    Ok(())
}
