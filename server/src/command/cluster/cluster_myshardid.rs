//! CLUSTER MYSHARDID: the id of the shard of this connection's core. A shard has one node, so both
//! have the same id.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER MYSHARDID
pub const SPEC: Spec = Spec {
    name: "myshardid",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "7.2.0",
    complexity: "O(1)",
    summary: "Returns the shard ID of a node.",
    syntax: "",
    examples: &[
        ("CLUSTER MYSHARDID", "(error) ERR This instance has cluster support disabled"),
        (
            "CLUSTER MYSHARDID 1 2 3",
            "(error) ERR wrong number of arguments for 'cluster|myshardid' command",
        ),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let node = topology::myself(session.core, session.connection)?;
    reply.bulk(node.id.as_bytes());
    Ok(())
}
