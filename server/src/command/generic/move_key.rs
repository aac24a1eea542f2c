//! Job: move a key to another database.
//! In: the words `MOVE key db`.
//! Out: 1 when it was moved; 0 when it is missing here or there already.
//! Invariant: the expiry goes with the key.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::generic::support::{SAME_OBJECT, database_index, in_database};
use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `MOVE key db`
pub const SPEC: Spec = Spec {
    name: "move",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | UPDATE)]),
    flags: flags::WRITE | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Moves a key to another database.",
    syntax: "key db",
    examples: &[
        ("SET key value", "OK"),
        ("MOVE key 1", "(integer) 1"),
        ("EXISTS key", "(integer) 0"),
        ("MOVE key 1", "(integer) 0"),
        ("MOVE key 0", "(error) ERR source and destination objects are the same"),
        ("MOVE key 16", "(error) ERR DB index is out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let target = database_index(context, &words[2])?;
    if target == context.db {
        return Err(SAME_OBJECT);
    }
    let is_movable = context.write(key).is_some()
        && in_database(context, target, |context| context.write(key).is_none());
    if is_movable && let Some(entry) = context.take(key) {
        in_database(context, target, |context| context.insert(entry));
    }
    reply.integer(i64::from(is_movable));
    Ok(())
}
