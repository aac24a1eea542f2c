//! Job: add a number to a field of a hash.
//! In: the words `HINCRBYFLOAT key field increment`.
//! Out: the new number, as it is stored.
//! Invariant: nothing changes when an error is the reply.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::spec::{CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::command::string::long_double::LongDouble;
use crate::shard::context::Context;

/// `HINCRBYFLOAT key field increment`
pub const SPEC: Spec = Spec {
    name: "hincrbyfloat",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Adds a floating point number to a hash field; a missing field counts as 0.",
    syntax: "key field increment",
    examples: &[
        ("HINCRBYFLOAT stock flour 10.5", r#""10.5""#),
        ("HINCRBYFLOAT stock flour 0.1", r#""10.6""#),
        ("HINCRBYFLOAT stock flour -5.6e0", r#""5""#),
        ("HINCRBYFLOAT stock flour inf", "(error) ERR value is NaN or Infinity"),
        ("HSET stock milk some", "(integer) 1"),
        ("HINCRBYFLOAT stock milk 1", "(error) ERR hash value is not a float"),
        ("SET string value", "OK"),
        (
            "HINCRBYFLOAT string field 1",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (&words[1], &words[2]);
    let delta = LongDouble::parse(&words[3]).ok_or(CommandError::NOT_A_FLOAT)?;
    if delta.is_infinite() {
        return Err(CommandError::new("ERR value is NaN or Infinity"));
    }
    let limits = context.limits();
    let hash = context.get_or_create::<Hash>(key)?;
    // A hash made just now has no field that could be refused below, so it cannot stay empty.
    let old = match hash.get(field) {
        Some(value) => {
            LongDouble::parse(value).ok_or(CommandError::new("ERR hash value is not a float"))?
        }
        None => LongDouble::ZERO,
    };
    let sum = old
        .add(delta)
        .ok_or(CommandError::new("ERR increment would produce NaN or Infinity"))?
        .to_text();
    hash.set(field, sum.as_bytes(), &limits);
    context.changed(key);
    reply.bulk(sum.as_bytes());
    Ok(())
}
