//! Job: what several generic commands share: databases by number.
//! In: words. Out: checked numbers, or the error that Redis gives.
//! Invariant: nothing here changes a key.

use crate::command::spec::{CommandError, integer};
use crate::shard::context::Context;

/// The database that a word names. Errors: no integer, or no such database.
pub fn database_index(context: &Context<'_>, word: &[u8]) -> Result<usize, CommandError> {
    let number = i32::try_from(integer(word)?).map_err(|_| {
        CommandError::with(format!(
            "ERR value is out of range, value must between {} and {}",
            i32::MIN,
            i32::MAX
        ))
    })?;
    usize::try_from(number)
        .ok()
        .filter(|index| *index < context.keyspace.databases.len())
        .ok_or(CommandError::DB_OUT_OF_RANGE)
}

/// Runs `f` with another database selected.
pub fn in_database<'a, T>(
    context: &mut Context<'a>,
    db: usize,
    f: impl FnOnce(&mut Context<'a>) -> T,
) -> T {
    let selected = std::mem::replace(&mut context.db, db);
    let result = f(context);
    context.db = selected;
    result
}

/// What MOVE and COPY say when nothing would move.
pub const SAME_OBJECT: CommandError =
    CommandError::new("ERR source and destination objects are the same");
