//! QUIT: closes the connection after all replies have been sent.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::connection::Ending;
use crate::session::Session;

/// QUIT
pub const SPEC: Spec = Spec {
    name: "quit",
    arity: -1,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT
        | flags::LOADING
        | flags::STALE
        | flags::FAST
        | flags::NO_AUTH
        | flags::ALLOW_BUSY
        | flags::TRANSACTION
        | flags::WHILE_SUBSCRIBED,
    categories: 0,
    group: Group::Connection,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Closes the connection.",
    syntax: "",
    examples: &[("QUIT", "OK")],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    session.connection.ending = Ending::AfterReplies;
    reply.ok();
    Ok(())
}
