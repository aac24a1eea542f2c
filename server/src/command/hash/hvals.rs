//! Job: list the values of a hash.
//! In: the words `HVALS key`.
//! Out: an array in no particular order.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HVALS key`
pub const SPEC: Spec = Spec {
    name: "hvals",
    arity: 2,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(N) where N is the size of the hash",
    summary: "Lists the values of a hash.",
    syntax: "key",
    examples: &[
        ("HSET user name Ada born 1815", "(integer) 2"),
        ("HVALS user", "1) \"Ada\"\n2) \"1815\""),
        ("HVALS missing", "(empty array)"),
        ("SET string value", "OK"),
        (
            "HVALS string",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let hash = context.get::<Hash>(&words[1])?;
    reply.array(hash.map_or(0, Hash::len));
    for (_, value) in hash.into_iter().flat_map(Hash::iter) {
        reply.bulk(value);
    }
    Ok(())
}
