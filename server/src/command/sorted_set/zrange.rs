//! Job: read a range of a sorted set, by rank, score or member, in either direction.
//! In: the words `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`.
//! Out: an array of members, with their scores where wanted.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::range::Dialect;
use crate::command::sorted_set::range_reply::range_reply;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub const SPEC: Spec = Spec {
    name: "zrange",
    arity: -4,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
        number of elements returned.",
    summary: "Returns members of a sorted set within a range.",
    syntax: "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZRANGE board 0 -1", "1) \"one\"\n2) \"two\"\n3) \"three\""),
        ("ZRANGE board 0 0 REV WITHSCORES", "1) \"three\"\n2) \"3\""),
        ("ZRANGE board (1 +inf BYSCORE LIMIT 1 1", r#"1) "three""#),
        ("ZRANGE missing 0 -1", "(empty array)"),
        (
            "ZRANGE board 0 -1 LIMIT 0 1",
            "(error) ERR syntax error, LIMIT is only supported in combination with either \
             BYSCORE or BYLEX",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range_reply(context, words, Dialect::Free, reply)
}
