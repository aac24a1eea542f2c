//! Job: tell whether a hash has a field.
//! In: the words `HEXISTS key field`.
//! Out: 1 or 0.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HEXISTS key field`
pub const SPEC: Spec = Spec {
    name: "hexists",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Tells whether a hash has a field.",
    syntax: "key field",
    examples: &[
        ("HSET user name Ada", "(integer) 1"),
        ("HEXISTS user name", "(integer) 1"),
        ("HEXISTS user born", "(integer) 0"),
        ("HEXISTS missing name", "(integer) 0"),
        ("SET string value", "OK"),
        (
            "HEXISTS string field",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let has_field = context.get::<Hash>(&words[1])?.is_some_and(|hash| hash.contains(&words[2]));
    reply.integer(i64::from(has_field));
    Ok(())
}
