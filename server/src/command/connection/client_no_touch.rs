//! CLIENT NO-TOUCH: leaves the access times of keys alone that this connection reads.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::client_command::on_or_off;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT NO-TOUCH <ON | OFF>
pub const SPEC: Spec = Spec {
    name: "no-touch",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "7.2.0",
    complexity: "O(1)",
    summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
    syntax: "<ON | OFF>",
    examples: &[
        ("CLIENT NO-TOUCH ON", "OK"),
        ("CLIENT NO-TOUCH maybe", "(error) ERR syntax error"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    session.connection.no_touch = on_or_off(&words[2])?;
    reply.ok();
    Ok(())
}
