//! Job: give a key another name unless that is taken.
//! In: the words `RENAMENX key newkey`.
//! Out: 1 when it was renamed, otherwise 0.
//! Invariant: value and expiry go along.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, INSERT, OW, RW};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, categories, flags,
};
use crate::shard::context::Context;

/// `RENAMENX key newkey`
pub const SPEC: Spec = Spec {
    name: "renamenx",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE), KeySpec::at(2).with(OW | INSERT)]),
    flags: flags::WRITE | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Renames a key unless the new name is taken.",
    syntax: "key newkey",
    examples: &[
        ("MSET one 1 two 2", "OK"),
        ("RENAMENX one two", "(integer) 0"),
        ("RENAMENX one three", "(integer) 1"),
        ("RENAMENX one three", "(error) ERR no such key"),
        ("RENAMENX two two", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (old, new) = (&words[1], &words[2]);
    if context.write(old).is_none() {
        return Err(CommandError::NO_SUCH_KEY);
    }
    let is_free = context.write(new).is_none();
    if is_free && let Some(entry) = context.take(old) {
        context.insert(entry.with_key(new));
    }
    reply.integer(i64::from(is_free));
    Ok(())
}
