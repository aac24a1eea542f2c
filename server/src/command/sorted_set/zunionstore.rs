//! Job: keep what is in any of several sorted sets under a key, with combined scores.
//! In: the words `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]]
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

/// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM |
/// MIN | MAX>]`
pub const SPEC: Spec = Spec {
    name: "zunionstore",
    arity: -4,
    keys: Keys(&[KeySpec::at(1).with(OW | UPDATE), KeySpec::counted(2).with(RO | ACCESS)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::SortedSet,
    since: "2.0.0",
    complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and \
        M being the number of elements in the resulting sorted set.",
    summary: "Stores the union of several sorted sets.",
    syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM \
        | MIN | MAX>]",
    examples: &[
        ("ZADD one 1 a 2 b", "(integer) 2"),
        ("SADD two b c", "(integer) 2"),
        ("ZUNIONSTORE sum 2 one two WEIGHTS 2 10", "(integer) 3"),
        (
            "ZRANGE sum 0 -1 WITHSCORES",
            "1) \"a\"\n2) \"2\"\n3) \"c\"\n4) \"10\"\n5) \"b\"\n6) \"14\"",
        ),
        ("ZUNIONSTORE sum 1 missing", "(integer) 0"),
        ("EXISTS sum", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    combine_store(context, words, Operation::Union, SPEC.name, reply)
}
