//! CLIENT GETREDIR: where invalidations go; nowhere, as there is no tracking.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT GETREDIR
pub const SPEC: Spec = Spec {
    name: "getredir",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "6.0.0",
    complexity: "O(1)",
    summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
    syntax: "",
    examples: &[("CLIENT GETREDIR", "(integer) -1")],
    run: Run::Session(run),
};

fn run(_: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(-1);
    Ok(())
}
