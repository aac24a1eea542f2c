//! Job: subtract an integer from the integer under a key.
//! In: the words `DECRBY key decrement`.
//! Out: the new integer.
//! Invariant: nothing changes when an error is the reply.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags, integer,
};
use crate::command::string::support::increment;
use crate::shard::context::Context;

/// `DECRBY key decrement`
pub const SPEC: Spec = Spec {
    name: "decrby",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Subtracts an integer from the integer under a key; a missing key counts as 0.",
    syntax: "key decrement",
    examples: &[
        ("SET counter 10", "OK"),
        ("DECRBY counter 3", "(integer) 7"),
        ("DECRBY counter -9223372036854775808", "(error) ERR decrement would overflow"),
        ("DECRBY counter 9223372036854775807", "(integer) -9223372036854775800"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let delta = integer(&words[2])?
        .checked_neg()
        .ok_or(CommandError::new("ERR decrement would overflow"))?;
    increment(context, &words[1], delta, reply)
}
