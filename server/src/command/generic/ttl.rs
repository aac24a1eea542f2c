//! Job: tell the seconds that a key has to live.
//! In: the words `TTL key`.
//! Out: the time; -1 without an expiry, -2 without the key.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::generic::expiry::{Origin, Unit, reply_expiry};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `TTL key`
pub const SPEC: Spec = Spec {
    name: "ttl",
    arity: 2,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Gives the seconds that a key has to live.",
    syntax: "key",
    examples: &[
        ("SET key value EX 100", "OK"),
        ("TTL key", "(integer) 100"),
        ("PERSIST key", "(integer) 1"),
        ("TTL key", "(integer) -1"),
        ("TTL missing", "(integer) -2"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_expiry(context, words, reply, Unit::Seconds, Origin::Now)
}
