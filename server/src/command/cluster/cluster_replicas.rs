//! CLUSTER REPLICAS: the replicas of a node; a core has none.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER REPLICAS node-id
pub const SPEC: Spec = Spec {
    name: "replicas",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::ADMIN | flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "5.0.0",
    complexity: "O(1)",
    summary: "Lists the replica nodes of a master node.",
    syntax: "node-id",
    examples: &[
        ("CLUSTER REPLICAS a", "(error) ERR This instance has cluster support disabled"),
        (
            "CLUSTER REPLICAS 1 2 3",
            "(error) ERR wrong number of arguments for 'cluster|replicas' command",
        ),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    topology::node_of(session.core, session.connection, &words[2])?;
    reply.array(0);
    Ok(())
}
