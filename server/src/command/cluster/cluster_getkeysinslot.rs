//! CLUSTER GETKEYSINSLOT: some keys of a slot.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::slot_keys::{checked_slot, keys_in, pick_shard};
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags, integer};
use crate::shard::context::Context;

/// CLUSTER GETKEYSINSLOT slot count
pub const SPEC: Spec = Spec {
    name: "getkeysinslot",
    arity: 4,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(N) where N is the number of keys of the core that owns the slot",
    summary: "Returns the key names in a hash slot.",
    syntax: "slot count",
    examples: &[
        ("CLUSTER GETKEYSINSLOT 1 10", "(error) ERR This instance has cluster support disabled"),
        (
            "CLUSTER GETKEYSINSLOT 1",
            "(error) ERR wrong number of arguments for 'cluster|getkeysinslot' command",
        ),
    ],
    run: Run::Shard(run, pick_shard),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    const WRONG: CommandError = CommandError::new("ERR Invalid slot or number of keys");
    // Redis reads both numbers before it judges either.
    let slot = checked_slot(context, &words[2], WRONG);
    let count = match &slot {
        Err(error) if *error != WRONG => return Err(error.clone()),
        _ => usize::try_from(integer(&words[3])?).map_err(|_| WRONG)?,
    };
    let slot = slot?;
    let mark = reply.array_deferred();
    let mut len = 0;
    for key in keys_in(context, slot).take(count) {
        reply.bulk(key);
        len += 1;
    }
    reply.close(mark, len);
    Ok(())
}
