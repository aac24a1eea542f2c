//! Job: count the members of a set.
//! In: the words `SCARD key`.
//! Out: their number, 0 when there is no set.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SCARD key`
pub const SPEC: Spec = Spec {
    name: "scard",
    arity: 2,
    keys: Keys(&[KeySpec::at(1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Returns the number of members of a set.",
    syntax: "key",
    examples: &[
        ("SADD set a b", "(integer) 2"),
        ("SCARD set", "(integer) 2"),
        ("SCARD missing", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let count = context.get::<Set>(&words[1])?.map_or(0, Set::len);
    reply.integer(count as i64);
    Ok(())
}
