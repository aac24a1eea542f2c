//! READONLY: accepted; every core serves reads and writes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::session::Session;

/// READONLY
pub const SPEC: Spec = Spec {
    name: "readonly",
    arity: 1,
    keys: Keys::NONE,
    flags: flags::LOADING | flags::STALE | flags::FAST,
    categories: categories::CONNECTION,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(1)",
    summary: "Enables read-only queries for a connection to a Redis Cluster replica node.",
    syntax: "",
    examples: &[
        ("READONLY", "(error) ERR This instance has cluster support disabled"),
        ("READONLY 1 2 3", "(error) ERR wrong number of arguments for 'readonly' command"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    topology::nodes(session.core, session.connection)?;
    session.connection.is_readonly = true;
    reply.ok();
    Ok(())
}
