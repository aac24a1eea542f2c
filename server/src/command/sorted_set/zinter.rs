//! Job: read what is in all of several sorted sets, with combined scores.
//! In: the words `ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN
//! | MAX>] [WITHSCORES]`.
//! Out: an array of members in order, with their scores where wanted.
//! Invariant: nothing changes; a missing key is an empty sorted set.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::combine::Operation;
use crate::command::sorted_set::combine_reply::combine_reply;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]
/// [WITHSCORES]`
pub const SPEC: Spec = Spec {
    name: "zinter",
    arity: -3,
    keys: Keys(&[KeySpec::counted(1)]),
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K \
        being the number of input sorted sets and M being the number of elements in the \
        resulting sorted set.",
    summary: "Returns the intersection of several sorted sets.",
    syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | \
        MAX>] [WITHSCORES]",
    examples: &[
        ("ZADD one 1 a 2 b", "(integer) 2"),
        ("ZADD two 3 b 4 c", "(integer) 2"),
        ("ZINTER 2 one two WITHSCORES", "1) \"b\"\n2) \"5\""),
        ("ZINTER 2 one two AGGREGATE MIN WITHSCORES", "1) \"b\"\n2) \"2\""),
        ("ZINTER 2 one missing", "(empty array)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    combine_reply(context, words, Operation::Intersection, SPEC.name, reply)
}
