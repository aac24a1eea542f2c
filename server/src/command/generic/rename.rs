//! Job: give a key another name.
//! In: the words `RENAME key newkey`.
//! Out: OK.
//! Invariant: value and expiry go along; what had the new name is gone.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, OW, RW, UPDATE};
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, categories, flags,
};
use crate::shard::context::Context;

/// `RENAME key newkey`
pub const SPEC: Spec = Spec {
    name: "rename",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE), KeySpec::at(2).with(OW | UPDATE)]),
    flags: flags::WRITE,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Renames a key, over whatever has the new name.",
    syntax: "key newkey",
    examples: &[
        ("SET one value", "OK"),
        ("RENAME one two", "OK"),
        ("GET two", r#""value""#),
        ("RENAME one two", "(error) ERR no such key"),
        ("RENAME two two", "OK"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (old, new) = (&words[1], &words[2]);
    if context.write(old).is_none() {
        return Err(CommandError::NO_SUCH_KEY);
    }
    if old != new
        && let Some(entry) = context.take(old)
    {
        context.insert(entry.with_key(new));
    }
    reply.ok();
    Ok(())
}
