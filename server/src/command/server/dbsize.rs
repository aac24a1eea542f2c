//! Job: count the keys of the selected database.
//! In: the word `DBSIZE`. Out: the number of keys on all shards.
//! Invariant: keys whose time is over count until they are dropped, as in Redis.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::spec;
use crate::command::spec::{CommandResult, Merge, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `DBSIZE`
pub const SPEC: Spec = Spec {
    categories: categories::KEYSPACE,
    summary: "Counts the keys of the selected database.",
    examples: &[("DBSIZE", "(integer) 0"), ("MSET a 1 b 2 c 3", "OK"), ("DBSIZE", "(integer) 3")],
    ..spec(
        "dbsize",
        1,
        flags::READONLY | flags::FAST | flags::NODE_LOCAL,
        Run::Everywhere(run, Merge::Sum),
    )
};

fn run(context: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.keyspace.databases[context.db].len() as i64);
    Ok(())
}
