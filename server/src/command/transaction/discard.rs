//! DISCARD: forgets the queued commands and the watched keys.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// DISCARD
pub const SPEC: Spec = Spec {
    name: "discard",
    arity: 1,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT
        | flags::LOADING
        | flags::STALE
        | flags::FAST
        | flags::ALLOW_BUSY
        | flags::TRANSACTION,
    categories: 0,
    group: Group::Transactions,
    since: "2.0.0",
    complexity: "O(N), when N is the number of queued commands",
    summary: "Discards a transaction.",
    syntax: "",
    examples: &[
        ("DISCARD", "(error) ERR DISCARD without MULTI"),
        ("MULTI", "OK"),
        ("DISCARD", "OK"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if session.connection.transaction.take().is_none() {
        return Err(CommandError::new("ERR DISCARD without MULTI"));
    }
    session.core.end_connection_watch(session.connection);
    reply.ok();
    Ok(())
}
