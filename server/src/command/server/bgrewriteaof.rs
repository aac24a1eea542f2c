//! Job: refuse to rewrite the append-only file.
//! In: the word `BGREWRITEAOF`. Out: an error that says why.
//! Invariant: nobody is told that data is safe when it is not.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{PERSISTENCE, spec};
use crate::command::spec::{CommandError, CommandResult, Run, Spec};
use crate::shard::context::Context;

/// `BGREWRITEAOF`
pub const SPEC: Spec = Spec {
    summary: "Would rewrite the append-only file; refused, for there is none yet.",
    examples: &[
        (
            "BGREWRITEAOF",
            "(error) ERR the append-only file is not supported yet: Ringlet keeps its data in memory only",
        ),
        ("BGREWRITEAOF now", "(error) ERR wrong number of arguments for 'bgrewriteaof' command"),
    ],
    ..spec("bgrewriteaof", 1, PERSISTENCE, Run::Keys(run))
};

fn run(_: &mut Context<'_>, _: Arguments<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::new(
        "ERR the append-only file is not supported yet: Ringlet keeps its data in memory only",
    ))
}
