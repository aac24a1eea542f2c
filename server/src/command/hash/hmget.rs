//! Job: read many fields of a hash.
//! In: the words `HMGET key field [field ...]`.
//! Out: an array in the order of the fields, null for one that is missing.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HMGET key field [field ...]`
pub const SPEC: Spec = Spec {
    name: "hmget",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(N) where N is the number of fields asked for",
    summary: "Reads many fields of a hash.",
    syntax: "key field [field ...]",
    examples: &[
        ("HSET user name Ada born 1815", "(integer) 2"),
        ("HMGET user born mail name", "1) \"1815\"\n2) (nil)\n3) \"Ada\""),
        ("HMGET missing name", "1) (nil)"),
        ("SET string value", "OK"),
        (
            "HMGET string field",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let hash = context.get::<Hash>(&words[1])?;
    let fields = words.from(2);
    reply.array(fields.len());
    for field in fields {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => reply.bulk(value),
            None => reply.null(),
        }
    }
    Ok(())
}
