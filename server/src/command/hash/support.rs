//! Job: what HSET and HMSET share.
//! In: words with fields and values from the third on. Out: how many of the fields are new.
//! Invariant: nothing changes when an error is the reply.

use ringlet_protocol::arguments::Arguments;
use ringlet_store::Hash;

use crate::command::spec::CommandError;
use crate::shard::context::Context;

/// Sets the fields and makes the hash if need be. Errors: a field without a value, `WRONGTYPE`.
pub fn set_fields(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    command: &str,
) -> Result<i64, CommandError> {
    let (key, pairs) = (&words[1], words.from(2));
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::arity(command));
    }
    let limits = context.limits();
    let hash = context.get_or_create::<Hash>(key)?;
    hash.prepare(pairs.len() / 2, &limits);
    let mut added = 0;
    for field in (0..pairs.len()).step_by(2) {
        added += i64::from(hash.set(&pairs[field], &pairs[field + 1], &limits));
    }
    context.changed(key);
    Ok(added)
}
