//! Job: tell the length of a value in a hash.
//! In: the words `HSTRLEN key field`.
//! Out: bytes, 0 without the field.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HSTRLEN key field`
pub const SPEC: Spec = Spec {
    name: "hstrlen",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "3.2.0",
    complexity: "O(1)",
    summary: "Gives the length of the value of a hash field in bytes.",
    syntax: "key field",
    examples: &[
        ("HSET user name Ada", "(integer) 1"),
        ("HSTRLEN user name", "(integer) 3"),
        ("HSTRLEN user born", "(integer) 0"),
        ("HSTRLEN missing name", "(integer) 0"),
        ("SET string value", "OK"),
        (
            "HSTRLEN string field",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let value = context.get::<Hash>(&words[1])?.and_then(|hash| hash.get(&words[2]));
    reply.integer(value.map_or(0, <[u8]>::len) as i64);
    Ok(())
}
