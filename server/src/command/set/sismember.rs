//! Job: tell whether a member is in a set.
//! In: the words `SISMEMBER key member`.
//! Out: 1 or 0.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SISMEMBER key member`
pub const SPEC: Spec = Spec {
    name: "sismember",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Tells whether a member is in a set.",
    syntax: "key member",
    examples: &[
        ("SADD set a b", "(integer) 2"),
        ("SISMEMBER set a", "(integer) 1"),
        ("SISMEMBER set c", "(integer) 0"),
        ("SISMEMBER missing a", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let found = context.get::<Set>(&words[1])?.is_some_and(|set| set.contains(&words[2]));
    reply.integer(i64::from(found));
    Ok(())
}
