//! Job: delete all keys of the selected database.
//! In: the words `FLUSHDB [ASYNC | SYNC]`. Out: OK.
//! Invariant: as for FLUSHALL.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::flushall::check;
use super::support::spec;
use crate::command::spec::{CommandResult, Merge, Run, Spec, categories, flags};
use crate::shard::context::Context;

/// `FLUSHDB [ASYNC | SYNC]`
pub const SPEC: Spec = Spec {
    categories: categories::KEYSPACE | categories::DANGEROUS,
    complexity: "O(1) for the client; O(N) in the background, where N is the number of keys.",
    summary: "Deletes all keys of the selected database.",
    syntax: "[ASYNC | SYNC]",
    examples: &[
        ("SET key value", "OK"),
        ("SELECT 1", "OK"),
        ("FLUSHDB SYNC", "OK"),
        ("SELECT 0", "OK"),
        ("GET key", "\"value\""),
        ("FLUSHDB", "OK"),
        ("GET key", "(nil)"),
        ("FLUSHDB NOW", "(error) ERR syntax error"),
    ],
    ..spec("flushdb", -1, flags::WRITE, Run::Everywhere(run, Merge::AllOk))
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    check(words)?;
    context.keyspace.flush(context.db);
    reply.ok();
    Ok(())
}
