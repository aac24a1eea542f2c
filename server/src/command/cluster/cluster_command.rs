//! CLUSTER: the container of the commands by which cluster clients find the core of a key.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER subcommand [argument ...]
pub const SPEC: Spec = Spec {
    name: "cluster",
    arity: -2,
    keys: Keys::NONE,
    flags: 0,
    categories: 0,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "Depends on subcommand.",
    summary: "A container for Redis Cluster commands.",
    syntax: "",
    examples: &[("CLUSTER", "(error) ERR wrong number of arguments for 'cluster' command")],
    run: Run::Subcommands(&[
        &super::cluster_count_failure_reports::SPEC,
        &super::cluster_countkeysinslot::SPEC,
        &super::cluster_getkeysinslot::SPEC,
        &HELP,
        &super::cluster_info::SPEC,
        &super::cluster_keyslot::SPEC,
        &super::cluster_links::SPEC,
        &super::cluster_myid::SPEC,
        &super::cluster_myshardid::SPEC,
        &super::cluster_nodes::SPEC,
        &super::cluster_replicas::SPEC,
        &super::cluster_shards::SPEC,
        &super::cluster_slaves::SPEC,
        &super::cluster_slots::SPEC,
    ]),
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "5.0.0",
    complexity: "O(1)",
    summary: "Returns helpful text about the different subcommands.",
    syntax: "",
    examples: &[("CLUSTER HELP", "(error) ERR This instance has cluster support disabled")],
    run: Run::Session(help),
};

const HELP_LINES: &[&str] = &[
    "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "COUNT-FAILURE-REPORTS <node-id>",
    "    Return number of failure reports for <node-id>.",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names stored by current node in a slot.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "MYID",
    "    Return the node id.",
    "MYSHARDID",
    "    Return the node's shard id.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "    Output format is an array where each array element is a map containing attributes of a link",
    "HELP",
    "    Prints this help.",
];

fn help(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    topology::nodes(session.core, session.connection)?;
    reply.array(HELP_LINES.len());
    HELP_LINES.iter().for_each(|line| reply.simple(line));
    Ok(())
}
