//! Job: delete keys; what is large is freed in the background.
//! In: the words `UNLINK key [key ...]`.
//! Out: how many keys were there.
//! Invariant: each shard answers for its own keys; freeing never stalls the shard.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{DELETE, RM};
use crate::command::spec::{
    CommandResult, Group, KeySpec, Keys, Merge, Run, Spec, categories, flags,
};
use crate::shard::context::Context;

/// `UNLINK key [key ...]`
pub const SPEC: Spec = Spec {
    name: "unlink",
    arity: -2,
    keys: Keys(&[KeySpec::at(1).to(-1).with(RM | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "4.0.0",
    complexity: "O(1) for each key; what is large is freed in the background",
    summary: "Deletes keys and frees large values in the background.",
    syntax: "key [key ...]",
    examples: &[
        ("MSET one 1 two 2", "OK"),
        ("UNLINK one two three", "(integer) 2"),
        ("UNLINK one", "(integer) 0"),
    ],
    run: Run::Parts(run, Merge::Sum),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let deleted = words.from(1).iter().filter(|key| context.remove(key)).count();
    reply.integer(deleted as i64);
    Ok(())
}
