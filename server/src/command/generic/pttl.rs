//! Job: tell the milliseconds that a key has to live.
//! In: the words `PTTL key`.
//! Out: the time; -1 without an expiry, -2 without the key.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::generic::expiry::{Origin, Unit, reply_expiry};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `PTTL key`
pub const SPEC: Spec = Spec {
    name: "pttl",
    arity: 2,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Gives the milliseconds that a key has to live.",
    syntax: "key",
    examples: &[
        ("SET key value", "OK"),
        ("PTTL key", "(integer) -1"),
        ("PTTL missing", "(integer) -2"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_expiry(context, words, reply, Unit::Milliseconds, Origin::Now)
}
