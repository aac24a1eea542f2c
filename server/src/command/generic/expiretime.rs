//! Job: tell when a key expires, in seconds since 1970.
//! In: the words `EXPIRETIME key`.
//! Out: the time; -1 without an expiry, -2 without the key.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::generic::expiry::{Origin, Unit, reply_expiry};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `EXPIRETIME key`
pub const SPEC: Spec = Spec {
    name: "expiretime",
    arity: 2,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "7.0.0",
    complexity: "O(1)",
    summary: "Gives when a key expires, in seconds since 1970.",
    syntax: "key",
    examples: &[
        ("SET key value EXAT 33177117420", "OK"),
        ("EXPIRETIME key", "(integer) 33177117420"),
        ("EXPIRETIME missing", "(integer) -2"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_expiry(context, words, reply, Unit::Seconds, Origin::Epoch)
}
