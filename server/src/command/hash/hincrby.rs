//! Job: add an integer to a field of a hash.
//! In: the words `HINCRBY key field increment`.
//! Out: the new integer.
//! Invariant: nothing changes when an error is the reply.

use ringlet_base::number::parse_i64;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags, integer,
};
use crate::shard::context::Context;

/// `HINCRBY key field increment`
pub const SPEC: Spec = Spec {
    name: "hincrby",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Adds an integer to the integer in a hash field; a missing field counts as 0.",
    syntax: "key field increment",
    examples: &[
        ("HINCRBY stock apples 5", "(integer) 5"),
        ("HINCRBY stock apples -7", "(integer) -2"),
        ("HSET stock pears many", "(integer) 1"),
        ("HINCRBY stock pears 1", "(error) ERR hash value is not an integer"),
        (
            "HINCRBY stock apples -9223372036854775807",
            "(error) ERR increment or decrement would overflow",
        ),
        ("SET string value", "OK"),
        (
            "HINCRBY string field 1",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, field, delta) = (&words[1], &words[2], integer(&words[3])?);
    let limits = context.limits();
    let hash = context.get_or_create::<Hash>(key)?;
    // A hash made just now has no field that could be refused below, so it cannot stay empty.
    let old = match hash.get(field) {
        Some(value) => {
            parse_i64(value).ok_or(CommandError::new("ERR hash value is not an integer"))?
        }
        None => 0,
    };
    let sum = old
        .checked_add(delta)
        .ok_or(CommandError::new("ERR increment or decrement would overflow"))?;
    hash.set(field, itoa::Buffer::new().format(sum).as_bytes(), &limits);
    context.changed(key);
    reply.integer(sum);
    Ok(())
}
