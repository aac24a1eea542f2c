//! Job: read a range of a sorted set by member, where all scores are equal.
//! In: the words `ZRANGEBYLEX key min max [LIMIT offset count]`.
//! Out: an array of members.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::range::{By, Dialect};
use crate::command::sorted_set::range_reply::range_reply;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub const SPEC: Spec = Spec {
    name: "zrangebylex",
    arity: -4,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "2.8.9",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
        number of elements being returned. If M is constant (e.g. always asking for the \
        first 10 elements with LIMIT), you can consider it O(log(N)).",
    summary: "Returns members of a sorted set within a range of members.",
    syntax: "key min max [LIMIT offset count]",
    examples: &[
        ("ZADD names 0 ann 0 bob 0 cleo", "(integer) 3"),
        ("ZRANGEBYLEX names - (cleo", "1) \"ann\"\n2) \"bob\""),
        ("ZRANGEBYLEX names [bob + LIMIT 1 5", r#"1) "cleo""#),
        ("ZRANGEBYLEX names ann bob", "(error) ERR min or max not valid string range item"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range_reply(context, words, Dialect::Fixed(By::Member, false), reply)
}
