//! Job: overwrite a part of a string.
//! In: the words `SETRANGE key offset value`.
//! Out: the new length.
//! Invariant: the string never outgrows `proto-max-bulk-len`; the gap before the offset is zeros.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags, integer};
use crate::command::string::support::{bytes_of, check_length};
use crate::shard::context::Context;

/// `SETRANGE key offset value`
pub const SPEC: Spec = Spec {
    name: "setrange",
    arity: 4,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::String,
    since: "2.2.0",
    complexity: "O(M) where M is the length of the value",
    summary: "Overwrites a part of a string from an offset on, padding with zero bytes.",
    syntax: "key offset value",
    examples: &[
        (r#"SET greeting "Hello World""#, "OK"),
        ("SETRANGE greeting 6 Redis", "(integer) 11"),
        ("GET greeting", r#""Hello Redis""#),
        (r#"SETRANGE missing 5 """#, "(integer) 0"),
        ("EXISTS missing", "(integer) 0"),
        ("SETRANGE padded 3 x", "(integer) 4"),
        ("GET padded", r#""\x00\x00\x00x""#),
        ("SETRANGE padded -1 x", "(error) ERR offset is out of range"),
        (
            "SETRANGE padded 536870912 x",
            "(error) ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, patch) = (&words[1], &words[3]);
    let offset = usize::try_from(integer(&words[2])?)
        .map_err(|_| CommandError::new("ERR offset is out of range"))?;
    let old_length = match context.write(key) {
        None => None,
        Some(entry) => Some(bytes_of(entry)?.len()),
    };
    if patch.is_empty() {
        reply.integer(old_length.unwrap_or(0) as i64);
        return Ok(());
    }
    check_length(context.config, offset.checked_add(patch.len()))?;
    if old_length.is_none() {
        context.set_string(key, b"", None);
    }
    if let Some(entry) = context.write(key) {
        entry.set_range(offset, patch);
        context.changed(key);
    }
    reply.integer((offset + patch.len()).max(old_length.unwrap_or(0)) as i64);
    Ok(())
}
