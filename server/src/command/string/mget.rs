//! Job: read many strings.
//! In: the words `MGET key [key ...]`.
//! Out: an array in the order of the keys; null for a key that is missing or holds no string.
//! Invariant: each shard answers for its own keys.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::{Entry, ValueRef};

use crate::command::spec::{CommandResult, Group, Keys, Merge, Run, Spec, flags};
use crate::shard::context::Context;

/// `MGET key [key ...]`
pub const SPEC: Spec = Spec {
    name: "mget",
    arity: -2,
    keys: Keys::ALL,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "1.0.0",
    complexity: "O(N) where N is the number of keys",
    summary: "Reads many strings.",
    syntax: "key [key ...]",
    examples: &[
        ("MSET one 1 two 2", "OK"),
        ("MGET one missing two", "1) \"1\"\n2) (nil)\n3) \"2\""),
        ("RPUSH list a", "(integer) 1"),
        ("MGET list", "1) (nil)"),
    ],
    run: Run::Parts(run, Merge::ByKey),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let keys = words.from(1);
    reply.array(keys.len());
    for key in keys {
        match context.read(key).map(Entry::value) {
            Some(ValueRef::String(bytes)) => reply.bulk(bytes),
            Some(ValueRef::SharedString(bytes)) => reply.bulk_shared(bytes),
            _ => reply.null(),
        }
    }
    Ok(())
}
