//! Job: count the keys that are there.
//! In: the words `EXISTS key [key ...]`.
//! Out: a number; a key that stands twice counts twice.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::RO;
use crate::command::spec::{
    CommandResult, Group, KeySpec, Keys, Merge, Run, Spec, categories, flags,
};
use crate::shard::context::Context;

/// `EXISTS key [key ...]`
pub const SPEC: Spec = Spec {
    name: "exists",
    arity: -2,
    keys: Keys(&[KeySpec::at(1).to(-1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(N) where N is the number of keys",
    summary: "Counts how many of the keys exist.",
    syntax: "key [key ...]",
    examples: &[
        ("SET key value", "OK"),
        ("EXISTS key", "(integer) 1"),
        ("EXISTS key missing key", "(integer) 2"),
    ],
    run: Run::Parts(run, Merge::Sum),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let found = words.from(1).iter().filter(|key| context.look(key).is_some()).count();
    reply.integer(found as i64);
    Ok(())
}
