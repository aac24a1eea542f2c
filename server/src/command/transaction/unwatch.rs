//! UNWATCH: forgets the watched keys.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// UNWATCH
pub const SPEC: Spec = Spec {
    name: "unwatch",
    arity: 1,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE | flags::FAST | flags::ALLOW_BUSY,
    categories: 0,
    group: Group::Transactions,
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Forgets about watched keys of a transaction.",
    syntax: "",
    examples: &[("UNWATCH", "OK"), ("WATCH k", "OK"), ("UNWATCH", "OK")],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    session.core.end_connection_watch(session.connection);
    reply.ok();
    Ok(())
}
