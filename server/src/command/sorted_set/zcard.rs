//! Job: count the members of a sorted set.
//! In: the words `ZCARD key`.
//! Out: their number, 0 when there is no sorted set.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZCARD key`
pub const SPEC: Spec = Spec {
    name: "zcard",
    arity: 2,
    keys: Keys(&[KeySpec::at(1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Returns the number of members of a sorted set.",
    syntax: "key",
    examples: &[
        ("ZADD board 1 one 2 two", "(integer) 2"),
        ("ZCARD board", "(integer) 2"),
        ("ZCARD missing", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let count = context.get::<SortedSet>(&words[1])?.map_or(0, SortedSet::len);
    reply.integer(count as i64);
    Ok(())
}
