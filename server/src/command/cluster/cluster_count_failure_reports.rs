//! CLUSTER COUNT-FAILURE-REPORTS: how many nodes say that this one has failed; cores fail together.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER COUNT-FAILURE-REPORTS node-id
pub const SPEC: Spec = Spec {
    name: "count-failure-reports",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::ADMIN | flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(N) where N is the number of failure reports",
    summary: "Returns the number of active failure reports active for a node.",
    syntax: "node-id",
    examples: &[
        (
            "CLUSTER COUNT-FAILURE-REPORTS a",
            "(error) ERR This instance has cluster support disabled",
        ),
        (
            "CLUSTER COUNT-FAILURE-REPORTS 1 2 3",
            "(error) ERR wrong number of arguments for 'cluster|count-failure-reports' command",
        ),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    topology::node_of(session.core, session.connection, &words[2])?;
    reply.integer(0);
    Ok(())
}
