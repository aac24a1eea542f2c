//! Job: subtract one from the integer under a key.
//! In: the words `DECR key`.
//! Out: the new integer.
//! Invariant: nothing changes when an error is the reply.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::command::string::support::increment;
use crate::shard::context::Context;

/// `DECR key`
pub const SPEC: Spec = Spec {
    name: "decr",
    arity: 2,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Subtracts one from the integer under a key; a missing key counts as 0.",
    syntax: "key",
    examples: &[
        ("DECR counter", "(integer) -1"),
        ("SET counter -9223372036854775808", "OK"),
        ("DECR counter", "(error) ERR increment or decrement would overflow"),
        ("SET counter ten", "OK"),
        ("DECR counter", "(error) ERR value is not an integer or out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    increment(context, &words[1], -1, reply)
}
