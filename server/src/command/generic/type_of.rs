//! Job: tell the type of a value.
//! In: the words `TYPE key`.
//! Out: string, list, hash, set, zset, or none without the key.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;
use crate::shard::kind::ValueType;

/// `TYPE key`
pub const SPEC: Spec = Spec {
    name: "type",
    arity: 2,
    keys: Keys(&[KeySpec::at(1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Gives the type of the value under a key.",
    syntax: "key",
    examples: &[
        ("SET key value", "OK"),
        ("TYPE key", "string"),
        ("RPUSH list a", "(integer) 1"),
        ("TYPE list", "list"),
        ("TYPE missing", "none"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simple(context.look(&words[1]).map_or("none", |entry| ValueType::of(entry).name()));
    Ok(())
}
