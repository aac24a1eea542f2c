//! Job: count the elements of a list.
//! In: the words `LLEN key`.
//! Out: the length, 0 when there is no list.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::list::List;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `LLEN key`
pub const SPEC: Spec = Spec {
    name: "llen",
    arity: 2,
    keys: Keys(&[KeySpec::at(1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Returns the length of a list.",
    syntax: "key",
    examples: &[
        ("RPUSH list a b", "(integer) 2"),
        ("LLEN list", "(integer) 2"),
        ("LLEN missing", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let length = context.get::<List>(&words[1])?.map_or(0, List::len);
    reply.integer(length as i64);
    Ok(())
}
