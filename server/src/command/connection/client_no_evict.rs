//! CLIENT NO-EVICT: protects this connection from being closed to save memory (maxmemory-clients).

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::client_command::on_or_off;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT NO-EVICT <ON | OFF>
pub const SPEC: Spec = Spec {
    name: "no-evict",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::ADMIN | flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "7.0.0",
    complexity: "O(1)",
    summary: "Sets the client eviction mode of the connection.",
    syntax: "<ON | OFF>",
    examples: &[
        ("CLIENT NO-EVICT ON", "OK"),
        ("CLIENT NO-EVICT maybe", "(error) ERR syntax error"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    session.connection.no_evict = on_or_off(&words[2])?;
    reply.ok();
    Ok(())
}
