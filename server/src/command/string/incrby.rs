//! Job: add an integer to the integer under a key.
//! In: the words `INCRBY key increment`.
//! Out: the new integer.
//! Invariant: nothing changes when an error is the reply.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags, integer};
use crate::command::string::support::increment;
use crate::shard::context::Context;

/// `INCRBY key increment`
pub const SPEC: Spec = Spec {
    name: "incrby",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Adds an integer to the integer under a key; a missing key counts as 0.",
    syntax: "key increment",
    examples: &[
        ("SET counter 10", "OK"),
        ("INCRBY counter 5", "(integer) 15"),
        ("INCRBY counter -20", "(integer) -5"),
        ("INCRBY counter 1.5", "(error) ERR value is not an integer or out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let delta = integer(&words[2])?;
    increment(context, &words[1], delta, reply)
}
