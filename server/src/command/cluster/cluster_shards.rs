//! CLUSTER SHARDS: the nodes of each part of the slots; here one each.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER SHARDS
pub const SPEC: Spec = Spec {
    name: "shards",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "7.0.0",
    complexity: "O(N) where N is the total number of cluster nodes",
    summary: "Returns the mapping of cluster slots to shards.",
    syntax: "",
    examples: &[
        ("CLUSTER SHARDS", "(error) ERR This instance has cluster support disabled"),
        (
            "CLUSTER SHARDS 1 2 3",
            "(error) ERR wrong number of arguments for 'cluster|shards' command",
        ),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let nodes = topology::nodes(session.core, session.connection)?;
    reply.array(nodes.len());
    for node in nodes {
        reply.map(2);
        reply.bulk(b"slots");
        reply.array(2);
        reply.integer(i64::from(node.slots.0));
        reply.integer(i64::from(node.slots.1));
        reply.bulk(b"nodes");
        reply.array(1);
        reply.map(7 + usize::from(!node.hostname.is_empty()));
        reply.bulk(b"id");
        reply.bulk(node.id.as_bytes());
        reply.bulk(b"port");
        reply.integer(i64::from(node.port));
        reply.bulk(b"ip");
        reply.bulk(node.address.as_bytes());
        reply.bulk(b"endpoint");
        match &node.endpoint {
            Some(endpoint) => reply.bulk(endpoint.as_bytes()),
            None => reply.null(),
        }
        if !node.hostname.is_empty() {
            reply.bulk(b"hostname");
            reply.bulk(node.hostname.as_bytes());
        }
        reply.bulk(b"role");
        reply.bulk(b"master");
        reply.bulk(b"replication-offset");
        reply.integer(0);
        reply.bulk(b"health");
        reply.bulk(b"online");
    }
    Ok(())
}
