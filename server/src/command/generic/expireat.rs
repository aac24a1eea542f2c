//! Job: set the expiry of a key as a point in time in seconds.
//! In: the words `EXPIREAT key unix-time-seconds [NX | XX | GT | LT]`.
//! Out: 1 when it was set, otherwise 0.
//! Invariant: a time in the past deletes the key.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::generic::expiry::{Origin, Unit, set_expiry};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `EXPIREAT key unix-time-seconds [NX | XX | GT | LT]`
pub const SPEC: Spec = Spec {
    name: "expireat",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Sets the expiry of a key as a point in time in seconds.",
    syntax: "key unix-time-seconds [NX | XX | GT | LT]",
    examples: &[
        ("SET key value", "OK"),
        ("EXPIREAT key 33177117420", "(integer) 1"),
        ("EXPIRETIME key", "(integer) 33177117420"),
        ("EXPIREAT key 1", "(integer) 1"),
        ("EXISTS key", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_expiry(context, words, reply, Unit::Seconds, Origin::Epoch, SPEC.name)
}
