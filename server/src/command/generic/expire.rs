//! Job: set the expiry of a key in seconds.
//! In: the words `EXPIRE key seconds [NX | XX | GT | LT]`.
//! Out: 1 when it was set, otherwise 0.
//! Invariant: a time in the past deletes the key.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::generic::expiry::{Origin, Unit, set_expiry};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub const SPEC: Spec = Spec {
    name: "expire",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Sets the expiry of a key in seconds.",
    syntax: "key seconds [NX | XX | GT | LT]",
    examples: &[
        ("SET key value", "OK"),
        ("EXPIRE key 100", "(integer) 1"),
        ("TTL key", "(integer) 100"),
        ("EXPIRE key 50 GT", "(integer) 0"),
        ("EXPIRE key 50 XX LT", "(integer) 1"),
        (
            "EXPIRE key 50 GT LT",
            "(error) ERR GT and LT options at the same time are not compatible",
        ),
        ("EXPIRE key 9223372036854775807", "(error) ERR invalid expire time in 'expire' command"),
        ("EXPIRE key -1", "(integer) 1"),
        ("EXISTS key", "(integer) 0"),
        ("EXPIRE key 100", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_expiry(context, words, reply, Unit::Seconds, Origin::Now, SPEC.name)
}
