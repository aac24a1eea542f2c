//! Job: keep what is in all of several sorted sets under a key, with combined scores.
//! In: the words `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]]
//! [AGGREGATE <SUM | MIN | MAX>]`.
//! Out: how many members the result has.
//! Invariant: what the destination held is replaced; an empty result deletes it.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, OW, RO, UPDATE};
use crate::command::sorted_set::combine::Operation;
use crate::command::sorted_set::combine_reply::combine_store;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM |
/// MIN | MAX>]`
pub const SPEC: Spec = Spec {
    name: "zinterstore",
    arity: -4,
    keys: Keys(&[KeySpec::at(1).with(OW | UPDATE), KeySpec::counted(2).with(RO | ACCESS)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::SortedSet,
    since: "2.0.0",
    complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K \
        being the number of input sorted sets and M being the number of elements in the \
        resulting sorted set.",
    summary: "Stores the intersection of several sorted sets.",
    syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM \
        | MIN | MAX>]",
    examples: &[
        ("ZADD one 1 a 2 b", "(integer) 2"),
        ("ZADD two 3 b 4 c", "(integer) 2"),
        ("ZINTERSTORE both 2 one two", "(integer) 1"),
        ("ZRANGE both 0 -1 WITHSCORES", "1) \"b\"\n2) \"5\""),
        ("ZINTERSTORE both 2 one missing", "(integer) 0"),
        ("EXISTS both", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    combine_store(context, words, Operation::Intersection, SPEC.name, reply)
}
