//! Job: read a whole hash.
//! In: the words `HGETALL key`.
//! Out: a map from fields to values in no particular order.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HGETALL key`
pub const SPEC: Spec = Spec {
    name: "hgetall",
    arity: 2,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(N) where N is the size of the hash",
    summary: "Reads all fields and values of a hash.",
    syntax: "key",
    examples: &[
        ("HSET user name Ada born 1815", "(integer) 2"),
        ("HGETALL user", "1) \"name\"\n2) \"Ada\"\n3) \"born\"\n4) \"1815\""),
        ("HGETALL missing", "(empty array)"),
        ("SET string value", "OK"),
        (
            "HGETALL string",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let hash = context.get::<Hash>(&words[1])?;
    reply.map(hash.map_or(0, Hash::len));
    for (field, value) in hash.into_iter().flat_map(Hash::iter) {
        reply.bulk(field);
        reply.bulk(value);
    }
    Ok(())
}
