//! Job: count what is in all of several sorted sets.
//! In: the words `ZINTERCARD numkeys key [key ...] [LIMIT limit]`.
//! Out: the number of members, not above the limit.
//! Invariant: nothing changes; counting stops at the limit.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::combine::{Combination, Operation, Purpose};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`
pub const SPEC: Spec = Spec {
    name: "zintercard",
    arity: -3,
    keys: Keys(&[KeySpec::counted(1)]),
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "7.0.0",
    complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the number \
        of input sorted sets.",
    summary: "Returns the size of the intersection of several sorted sets.",
    syntax: "numkeys key [key ...] [LIMIT limit]",
    examples: &[
        ("ZADD one 1 a 2 b 3 c", "(integer) 3"),
        ("ZADD two 1 b 2 c 3 d", "(integer) 3"),
        ("ZINTERCARD 2 one two", "(integer) 2"),
        ("ZINTERCARD 2 one two LIMIT 1", "(integer) 1"),
        ("ZINTERCARD 2 one missing", "(integer) 0"),
        ("ZINTERCARD 2 one two LIMIT -1", "(error) ERR LIMIT can't be negative"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (operation, purpose) = (Operation::Intersection, Purpose::Count);
    let combination = Combination::parse(context, words.from(1), operation, purpose, SPEC.name)?;
    reply.integer(combination.count(context) as i64);
    Ok(())
}
