//! Job: read a range of a sorted set by score.
//! In: the words `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`.
//! Out: an array of members, with their scores where wanted.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::range::{By, Dialect};
use crate::command::sorted_set::range_reply::range_reply;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub const SPEC: Spec = Spec {
    name: "zrangebyscore",
    arity: -4,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "1.0.5",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
        number of elements being returned. If M is constant (e.g. always asking for the \
        first 10 elements with LIMIT), you can consider it O(log(N)).",
    summary: "Returns members of a sorted set by score, the lowest first.",
    syntax: "key min max [WITHSCORES] [LIMIT offset count]",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZRANGEBYSCORE board (1 3", "1) \"two\"\n2) \"three\""),
        ("ZRANGEBYSCORE board -inf +inf WITHSCORES LIMIT 1 1", "1) \"two\"\n2) \"2\""),
        ("ZRANGEBYSCORE board one 3", "(error) ERR min or max is not a float"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range_reply(context, words, Dialect::Fixed(By::Score, false), reply)
}
