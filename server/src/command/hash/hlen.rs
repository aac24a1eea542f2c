//! Job: count the fields of a hash.
//! In: the words `HLEN key`.
//! Out: a number, 0 without the key.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HLEN key`
pub const SPEC: Spec = Spec {
    name: "hlen",
    arity: 2,
    keys: Keys(&[KeySpec::at(1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Counts the fields of a hash.",
    syntax: "key",
    examples: &[
        ("HSET user name Ada born 1815", "(integer) 2"),
        ("HLEN user", "(integer) 2"),
        ("HLEN missing", "(integer) 0"),
        ("SET string value", "OK"),
        (
            "HLEN string",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let length = context.get::<Hash>(&words[1])?.map_or(0, Hash::len);
    reply.integer(length as i64);
    Ok(())
}
