//! CLUSTER LINKS: connections between nodes; cores need none.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER LINKS
pub const SPEC: Spec = Spec {
    name: "links",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "7.0.0",
    complexity: "O(N) where N is the total number of Cluster nodes",
    summary: "Returns a list of all TCP links to and from peer nodes.",
    syntax: "",
    examples: &[
        ("CLUSTER LINKS", "(error) ERR This instance has cluster support disabled"),
        (
            "CLUSTER LINKS 1 2 3",
            "(error) ERR wrong number of arguments for 'cluster|links' command",
        ),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    topology::nodes(session.core, session.connection)?;
    reply.array(0);
    Ok(())
}
