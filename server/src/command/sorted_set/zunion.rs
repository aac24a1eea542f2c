//! Job: read what is in any of several sorted sets, with combined scores.
//! In: the words `ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN
//! | MAX>] [WITHSCORES]`.
//! Out: an array of members in order, with their scores where wanted.
//! Invariant: nothing changes; a missing key is an empty sorted set.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::combine::Operation;
use crate::command::sorted_set::combine_reply::combine_reply;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]
/// [WITHSCORES]`
pub const SPEC: Spec = Spec {
    name: "zunion",
    arity: -3,
    keys: Keys(&[KeySpec::counted(1)]),
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and \
        M being the number of elements in the resulting sorted set.",
    summary: "Returns the union of several sorted sets.",
    syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | \
        MAX>] [WITHSCORES]",
    examples: &[
        ("ZADD one 1 a 2 b", "(integer) 2"),
        ("ZADD two 3 b 4 c", "(integer) 2"),
        (
            "ZUNION 2 one two WITHSCORES",
            "1) \"a\"\n2) \"1\"\n3) \"c\"\n4) \"4\"\n5) \"b\"\n6) \"5\"",
        ),
        (
            "ZUNION 2 one two WEIGHTS 2 1 AGGREGATE MAX WITHSCORES",
            "1) \"a\"\n2) \"2\"\n3) \"b\"\n4) \"4\"\n5) \"c\"\n6) \"4\"",
        ),
        ("ZUNION 1 missing", "(empty array)"),
        ("ZUNION 0 one", "(error) ERR at least 1 input key is needed for 'zunion' command"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    combine_reply(context, words, Operation::Union, SPEC.name, reply)
}
