//! Job: set the expiry of a key in milliseconds.
//! In: the words `PEXPIRE key milliseconds [NX | XX | GT | LT]`.
//! Out: 1 when it was set, otherwise 0.
//! Invariant: a time in the past deletes the key.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::generic::expiry::{Origin, Unit, set_expiry};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub const SPEC: Spec = Spec {
    name: "pexpire",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Sets the expiry of a key in milliseconds.",
    syntax: "key milliseconds [NX | XX | GT | LT]",
    examples: &[
        ("SET key value", "OK"),
        ("PEXPIRE key 100000 NX", "(integer) 1"),
        ("TTL key", "(integer) 100"),
        ("PEXPIRE key 100000 NX", "(integer) 0"),
        ("PEXPIRE key 0", "(integer) 1"),
        ("EXISTS key", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_expiry(context, words, reply, Unit::Milliseconds, Origin::Now, SPEC.name)
}
