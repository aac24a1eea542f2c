//! CLIENT INFO: the line of CLIENT LIST that is about this connection.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::client_line::client_line;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT INFO
pub const SPEC: Spec = Spec {
    name: "info",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Returns information about the connection.",
    syntax: "",
    examples: &[(
        "CLIENT INFO x",
        "(error) ERR wrong number of arguments for 'client|info' command",
    )],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Session { core, connection, .. } = session;
    let line = client_line(&core.ring, connection, core.monotonic_ms);
    reply.verbatim(b"txt", line.as_bytes());
    Ok(())
}
