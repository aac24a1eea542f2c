//! Job: set the expiry of a key as a point in time in milliseconds.
//! In: the words `PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]`.
//! Out: 1 when it was set, otherwise 0.
//! Invariant: a time in the past deletes the key.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::generic::expiry::{Origin, Unit, set_expiry};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]`
pub const SPEC: Spec = Spec {
    name: "pexpireat",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Sets the expiry of a key as a point in time in milliseconds.",
    syntax: "key unix-time-milliseconds [NX | XX | GT | LT]",
    examples: &[
        ("SET key value", "OK"),
        ("PEXPIREAT key 33177117420000", "(integer) 1"),
        ("PEXPIRETIME key", "(integer) 33177117420000"),
        ("PEXPIREAT key -1", "(integer) 1"),
        ("EXISTS key", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_expiry(context, words, reply, Unit::Milliseconds, Origin::Epoch, SPEC.name)
}
