//! CLUSTER MYID: the id of the core that serves this connection.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER MYID
pub const SPEC: Spec = Spec {
    name: "myid",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(1)",
    summary: "Returns the ID of a node.",
    syntax: "",
    examples: &[
        ("CLUSTER MYID", "(error) ERR This instance has cluster support disabled"),
        ("CLUSTER MYID 1 2 3", "(error) ERR wrong number of arguments for 'cluster|myid' command"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let node = topology::myself(session.core, session.connection)?;
    reply.bulk(node.id.as_bytes());
    Ok(())
}
