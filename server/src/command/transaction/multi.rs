//! MULTI: from here on commands are queued until EXEC or DISCARD.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::connection::Queued;
use crate::session::Session;

/// MULTI
pub const SPEC: Spec = Spec {
    name: "multi",
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
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Starts a transaction.",
    syntax: "",
    examples: &[("MULTI", "OK"), ("MULTI", "(error) ERR MULTI calls can not be nested")],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if session.connection.transaction.is_some() {
        return Err(CommandError::new("ERR MULTI calls can not be nested"));
    }
    session.connection.transaction = Some(Queued::default());
    reply.ok();
    Ok(())
}
