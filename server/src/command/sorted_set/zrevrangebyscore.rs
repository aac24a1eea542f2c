//! Job: read a range of a sorted set by score, the highest first.
//! In: the words `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`.
//! Out: an array of members, with their scores where wanted.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::range::{By, Dialect};
use crate::command::sorted_set::range_reply::range_reply;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub const SPEC: Spec = Spec {
    name: "zrevrangebyscore",
    arity: -4,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "2.2.0",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
        number of elements being returned. If M is constant (e.g. always asking for the \
        first 10 elements with LIMIT), you can consider it O(log(N)).",
    summary: "Returns members of a sorted set by score, the highest first.",
    syntax: "key max min [WITHSCORES] [LIMIT offset count]",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZREVRANGEBYSCORE board 3 (1", "1) \"three\"\n2) \"two\""),
        ("ZREVRANGEBYSCORE board +inf -inf LIMIT 2 5", r#"1) "one""#),
        ("ZREVRANGEBYSCORE board 1 3", "(empty array)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range_reply(context, words, Dialect::Fixed(By::Score, true), reply)
}
