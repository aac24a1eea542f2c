//! Job: take the members with the lowest scores out of a sorted set.
//! In: the words `ZPOPMIN key [count]`.
//! Out: an array of members with scores, the lowest first.
//! Invariant: what is replied is no longer there; an emptied sorted set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::sorted_set::support::{End, pop_reply};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZPOPMIN key [count]`
pub const SPEC: Spec = Spec {
    name: "zpopmin",
    arity: -2,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "5.0.0",
    complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being \
        the number of elements popped.",
    summary: "Removes and returns the members of a sorted set with the lowest scores.",
    syntax: "key [count]",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZPOPMIN board", "1) \"one\"\n2) \"1\""),
        ("ZPOPMIN board 5", "1) \"two\"\n2) \"2\"\n3) \"three\"\n4) \"3\""),
        ("ZPOPMIN board", "(empty array)"),
        ("ZPOPMIN board -1", "(error) ERR value is out of range, must be positive"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_reply(context, words, End::Min, reply)
}
