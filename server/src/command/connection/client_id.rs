//! CLIENT ID: the number of this connection.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT ID
pub const SPEC: Spec = Spec {
    name: "id",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "5.0.0",
    complexity: "O(1)",
    summary: "Returns the unique client ID of the connection.",
    syntax: "",
    examples: &[("CLIENT ID x", "(error) ERR wrong number of arguments for 'client|id' command")],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(session.connection.id as i64);
    Ok(())
}
