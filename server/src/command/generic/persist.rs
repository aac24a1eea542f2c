//! Job: remove the expiry of a key.
//! In: the words `PERSIST key`.
//! Out: 1 when there was one, otherwise 0.
//! Invariant: the value stays as it is.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `PERSIST key`
pub const SPEC: Spec = Spec {
    name: "persist",
    arity: 2,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Removes the expiry of a key.",
    syntax: "key",
    examples: &[
        ("SET key value EX 100", "OK"),
        ("PERSIST key", "(integer) 1"),
        ("TTL key", "(integer) -1"),
        ("PERSIST key", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let has_expiry = context.write(key).is_some_and(|entry| entry.expiry().is_some());
    if has_expiry {
        context.set_expiry(key, None);
    }
    reply.integer(i64::from(has_expiry));
    Ok(())
}
