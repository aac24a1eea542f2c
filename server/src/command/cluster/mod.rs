//! The commands of the group "cluster": one file and one row each.

mod asking;
mod cluster_command;
mod cluster_count_failure_reports;
mod cluster_countkeysinslot;
mod cluster_getkeysinslot;
mod cluster_info;
mod cluster_keyslot;
mod cluster_links;
mod cluster_myid;
mod cluster_myshardid;
mod cluster_nodes;
mod cluster_replicas;
mod cluster_shards;
mod cluster_slaves;
mod cluster_slots;
mod readonly;
mod readwrite;
mod slot_keys;
mod topology;

use super::spec::Spec;

/// The rows.
pub const COMMANDS: &[&Spec] =
    &[&asking::SPEC, &cluster_command::SPEC, &readonly::SPEC, &readwrite::SPEC];
