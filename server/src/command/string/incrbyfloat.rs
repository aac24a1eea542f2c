//! Job: add a number to the number under a key.
//! In: the words `INCRBYFLOAT key increment`.
//! Out: the new number, as it is stored.
//! Invariant: digits are those of `LongDouble`; the expiry stays.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Entry;

use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::spec::{CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::command::string::long_double::LongDouble;
use crate::command::string::support::bytes_of;
use crate::shard::context::Context;

/// `INCRBYFLOAT key increment`
pub const SPEC: Spec = Spec {
    name: "incrbyfloat",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "2.6.0",
    complexity: "O(1)",
    summary: "Adds a floating point number to the number under a key; a missing key counts as 0.",
    syntax: "key increment",
    examples: &[
        ("SET price 10.50", "OK"),
        ("INCRBYFLOAT price 0.1", r#""10.6""#),
        ("INCRBYFLOAT price -5.6e0", r#""5""#),
        ("INCRBYFLOAT price ten", "(error) ERR value is not a valid float"),
        ("INCRBYFLOAT price inf", "(error) ERR increment would produce NaN or Infinity"),
    ],
    run: Run::Keys(run),
};

const NOT_FINITE: CommandError = CommandError::new("ERR increment would produce NaN or Infinity");

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let delta = LongDouble::parse(&words[2]).ok_or(CommandError::NOT_A_FLOAT);
    let Some(entry) = context.write(key) else {
        let sum = LongDouble::ZERO.add(delta?).ok_or(NOT_FINITE)?.to_text();
        let mut entry = Entry::string(key, sum.as_bytes(), None);
        entry.set_text();
        context.insert(entry);
        reply.bulk(sum.as_bytes());
        return Ok(());
    };
    let old = LongDouble::parse(bytes_of(entry)?).ok_or(CommandError::NOT_A_FLOAT)?;
    let sum = old.add(delta?).ok_or(NOT_FINITE)?.to_text();
    entry.set_string(sum.as_bytes());
    entry.set_text();
    context.changed(key);
    reply.bulk(sum.as_bytes());
    Ok(())
}
