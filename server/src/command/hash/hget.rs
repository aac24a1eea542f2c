//! Job: read a field of a hash.
//! In: the words `HGET key field`.
//! Out: the value, null without the field.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HGET key field`
pub const SPEC: Spec = Spec {
    name: "hget",
    arity: 3,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Reads a field of a hash.",
    syntax: "key field",
    examples: &[
        ("HSET user name Ada", "(integer) 1"),
        ("HGET user name", r#""Ada""#),
        ("HGET user born", "(nil)"),
        ("HGET missing name", "(nil)"),
        ("SET string value", "OK"),
        (
            "HGET string field",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match context.get::<Hash>(&words[1])?.and_then(|hash| hash.get(&words[2])) {
        Some(value) => reply.bulk(value),
        None => reply.null(),
    }
    Ok(())
}
