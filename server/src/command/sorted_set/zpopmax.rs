//! Job: take the members with the highest scores out of a sorted set.
//! In: the words `ZPOPMAX key [count]`.
//! Out: an array of members with scores, the highest first.
//! Invariant: what is replied is no longer there; an emptied sorted set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::sorted_set::support::{End, pop_reply};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZPOPMAX key [count]`
pub const SPEC: Spec = Spec {
    name: "zpopmax",
    arity: -2,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "5.0.0",
    complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being \
        the number of elements popped.",
    summary: "Removes and returns the members of a sorted set with the highest scores.",
    syntax: "key [count]",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZPOPMAX board", "1) \"three\"\n2) \"3\""),
        ("ZPOPMAX board 5", "1) \"two\"\n2) \"2\"\n3) \"one\"\n4) \"1\""),
        ("ZPOPMAX board 1", "(empty array)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_reply(context, words, End::Max, reply)
}
