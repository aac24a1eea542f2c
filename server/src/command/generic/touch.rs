//! Job: move the access time of keys on.
//! In: the words `TOUCH key [key ...]`.
//! Out: how many of the keys are there.
//! Invariant: works even for a client that asked for NO-TOUCH, as in Redis.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::RO;
use crate::command::spec::{
    CommandResult, Group, KeySpec, Keys, Merge, Run, Spec, categories, flags,
};
use crate::shard::context::Context;

/// `TOUCH key [key ...]`
pub const SPEC: Spec = Spec {
    name: "touch",
    arity: -2,
    keys: Keys(&[KeySpec::at(1).to(-1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "3.2.1",
    complexity: "O(N) where N is the number of keys",
    summary: "Moves the access time of keys on and counts those that exist.",
    syntax: "key [key ...]",
    examples: &[
        ("MSET one 1 two 2", "OK"),
        ("TOUCH one two three", "(integer) 2"),
        ("TOUCH three", "(integer) 0"),
    ],
    run: Run::Parts(run, Merge::Sum),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut found = 0;
    for key in words.from(1) {
        if context.look(key).is_none() {
            continue;
        }
        found += 1;
        // Also for a client that has said CLIENT NO-TOUCH: this is what it asks for.
        context.keyspace.write(context.db, key, context.now_ms, false);
    }
    reply.integer(found);
    Ok(())
}
