//! CLUSTER INFO: how the cluster is; well, for it is one process.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use ringlet_base::slot::SLOT_COUNT;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER INFO
pub const SPEC: Spec = Spec {
    name: "info",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(1)",
    summary: "Returns information about the state of a node.",
    syntax: "",
    examples: &[
        ("CLUSTER INFO", "(error) ERR This instance has cluster support disabled"),
        ("CLUSTER INFO 1 2 3", "(error) ERR wrong number of arguments for 'cluster|info' command"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let nodes = topology::nodes(session.core, session.connection)?.len();
    let slots = SLOT_COUNT;
    let fields = [
        "cluster_state:ok".to_string(),
        format!("cluster_slots_assigned:{slots}"),
        format!("cluster_slots_ok:{slots}"),
        "cluster_slots_pfail:0".to_string(),
        "cluster_slots_fail:0".to_string(),
        format!("cluster_known_nodes:{nodes}"),
        format!("cluster_size:{nodes}"),
        "cluster_current_epoch:0".to_string(),
        "cluster_my_epoch:0".to_string(),
        "cluster_stats_messages_sent:0".to_string(),
        "cluster_stats_messages_received:0".to_string(),
        "total_cluster_links_buffer_limit_exceeded:0".to_string(),
    ];
    let mut text = fields.join("\r\n");
    text.push_str("\r\n");
    reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}
