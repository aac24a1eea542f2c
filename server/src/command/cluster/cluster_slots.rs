//! CLUSTER SLOTS: which slots are served where.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER SLOTS
pub const SPEC: Spec = Spec {
    name: "slots",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(N) where N is the total number of Cluster nodes",
    summary: "Returns the mapping of cluster slots to nodes.",
    syntax: "",
    examples: &[
        ("CLUSTER SLOTS", "(error) ERR This instance has cluster support disabled"),
        (
            "CLUSTER SLOTS 1 2 3",
            "(error) ERR wrong number of arguments for 'cluster|slots' command",
        ),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let nodes = topology::nodes(session.core, session.connection)?;
    reply.array(nodes.len());
    for node in nodes {
        reply.array(3);
        reply.integer(i64::from(node.slots.0));
        reply.integer(i64::from(node.slots.1));
        reply.array(4);
        match &node.endpoint {
            Some(endpoint) => reply.bulk(endpoint.as_bytes()),
            None => reply.null(),
        }
        reply.integer(i64::from(node.port));
        reply.bulk(node.id.as_bytes());
        // What else is known, besides the endpoint.
        let known = [("ip", &node.address), ("hostname", &node.hostname)];
        let others = || {
            let other = |(_, text): &&(_, &String)| node.endpoint.as_ref() != Some(text);
            known.iter().filter(other).filter(|(_, text)| !text.is_empty())
        };
        reply.map(others().count());
        for (name, text) in others() {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
        }
    }
    Ok(())
}
