//! ASKING: accepted; no core ever sends a client elsewhere.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::session::Session;

/// ASKING
pub const SPEC: Spec = Spec {
    name: "asking",
    arity: 1,
    keys: Keys::NONE,
    flags: flags::FAST,
    categories: categories::CONNECTION,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(1)",
    summary: "Signals that a cluster client is following an -ASK redirect.",
    syntax: "",
    examples: &[
        ("ASKING", "(error) ERR This instance has cluster support disabled"),
        ("ASKING 1 2 3", "(error) ERR wrong number of arguments for 'asking' command"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    topology::nodes(session.core, session.connection)?;
    reply.ok();
    Ok(())
}
