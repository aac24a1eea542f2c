//! Keys of a slot: what COUNTKEYSINSLOT and GETKEYSINSLOT share.
//! In: a slot as a word. Out: its shard, its keys.
//! Invariant: a cluster has one logical database, number 0. A shard keeps no index by slot: its
//! keys are looked through.

use ringlet_base::slot::{SLOT_COUNT, slot};
use ringlet_protocol::arguments::Arguments;

use super::topology::DISABLED;
use crate::command::spec::{CommandError, integer};
use crate::core::owner_of_slot;
use crate::shard::context::Context;

/// Which of `shards` owns the slot that word 2 names. A word that names none goes to the first,
/// which then says what is wrong.
pub fn pick_shard(words: Arguments<'_>, shards: usize) -> usize {
    words.get(2).and_then(named_slot).map_or(0, |slot| owner_of_slot(slot, shards))
}

fn named_slot(word: &[u8]) -> Option<u16> {
    let number = ringlet_base::number::parse_i64(word)?;
    u16::try_from(number).ok().filter(|slot| *slot < SLOT_COUNT)
}

/// The slot that a word names. Errors: there are no shard ports, no number; `otherwise` when the
/// number is out of range.
pub fn checked_slot(
    context: &Context<'_>,
    word: &[u8],
    otherwise: CommandError,
) -> Result<u16, CommandError> {
    if context.config.shard_ports == 0 {
        return Err(DISABLED);
    }
    integer(word)?;
    named_slot(word).ok_or(otherwise)
}

/// The keys of this shard that lie in a slot.
pub fn keys_in<'c>(context: &'c Context<'_>, wanted: u16) -> impl Iterator<Item = &'c [u8]> {
    let now_ms = context.now_ms;
    context.keyspace.databases[0]
        .iter()
        .filter(move |entry| !entry.is_expired(now_ms) && slot(entry.key()) == wanted)
        .map(|entry| entry.key())
}
