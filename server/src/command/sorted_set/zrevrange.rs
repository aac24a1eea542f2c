//! Job: read a range of a sorted set by rank, the highest score first.
//! In: the words `ZREVRANGE key start stop [WITHSCORES]`.
//! Out: an array of members, with their scores where wanted.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::range::{By, Dialect};
use crate::command::sorted_set::range_reply::range_reply;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZREVRANGE key start stop [WITHSCORES]`
pub const SPEC: Spec = Spec {
    name: "zrevrange",
    arity: -4,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
        number of elements returned.",
    summary: "Returns members of a sorted set by rank, the highest score first.",
    syntax: "key start stop [WITHSCORES]",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZREVRANGE board 0 1", "1) \"three\"\n2) \"two\""),
        ("ZREVRANGE board -1 -1 WITHSCORES", "1) \"one\"\n2) \"1\""),
        ("ZREVRANGE board 0 1 REV", "(error) ERR syntax error"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range_reply(context, words, Dialect::Fixed(By::Rank, true), reply)
}
