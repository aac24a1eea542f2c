//! CLUSTER COUNTKEYSINSLOT: how many keys lie in a slot.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::slot_keys::{checked_slot, keys_in, pick_shard};
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// CLUSTER COUNTKEYSINSLOT slot
pub const SPEC: Spec = Spec {
    name: "countkeysinslot",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(N) where N is the number of keys of the core that owns the slot",
    summary: "Returns the number of keys in a hash slot.",
    syntax: "slot",
    examples: &[
        ("CLUSTER COUNTKEYSINSLOT 1", "(error) ERR This instance has cluster support disabled"),
        (
            "CLUSTER COUNTKEYSINSLOT",
            "(error) ERR wrong number of arguments for 'cluster|countkeysinslot' command",
        ),
    ],
    run: Run::Shard(run, pick_shard),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let slot = checked_slot(context, &words[2], CommandError::new("ERR Invalid slot"))?;
    reply.integer(keys_in(context, slot).count() as i64);
    Ok(())
}
