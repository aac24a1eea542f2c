//! Job: delete all keys of all databases.
//! In: the words `FLUSHALL [ASYNC | SYNC]`. Out: OK.
//! Invariant: the keys are gone at once on all shards; their memory is given back in slices,
//! whichever word stands there, so that nobody waits for it.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::spec;
use crate::command::spec::{
    CommandError, CommandResult, Merge, Run, Spec, categories, flags, is_word,
};
use crate::shard::context::Context;

/// `FLUSHALL [ASYNC | SYNC]`
pub const SPEC: Spec = Spec {
    categories: categories::KEYSPACE | categories::DANGEROUS,
    complexity: "O(1) for the client; O(N) in the background, where N is the number of keys.",
    summary: "Deletes all keys of all databases.",
    syntax: "[ASYNC | SYNC]",
    examples: &[
        ("SET key value", "OK"),
        ("FLUSHALL", "OK"),
        ("EXISTS key", "(integer) 0"),
        ("FLUSHALL ASYNC", "OK"),
        ("FLUSHALL LATER", "(error) ERR syntax error"),
    ],
    ..spec("flushall", -1, flags::WRITE, Run::Everywhere(run, Merge::AllOk))
};

/// Checks the words of FLUSHALL and FLUSHDB.
pub fn check(words: Arguments<'_>) -> CommandResult {
    let is_fine = match words.len() {
        1 => true,
        2 => is_word(&words[1], "ASYNC") || is_word(&words[1], "SYNC"),
        _ => false,
    };
    if is_fine { Ok(()) } else { Err(CommandError::SYNTAX) }
}

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    check(words)?;
    for db in 0..context.keyspace.databases.len() {
        context.keyspace.flush(db);
    }
    reply.ok();
    Ok(())
}
