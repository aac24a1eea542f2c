//! Job: refuse to save a snapshot.
//! In: the word `SAVE`. Out: an error that says why.
//! Invariant: nobody is told that data is safe when it is not.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{PERSISTENCE, spec};
use crate::command::spec::{CommandError, CommandResult, Run, Spec, flags};
use crate::shard::context::Context;

/// `SAVE`
pub const SPEC: Spec = Spec {
    summary: "Would save a snapshot; refused, for there are none yet.",
    examples: &[
        (
            "SAVE",
            "(error) ERR snapshots are not supported yet: Ringlet keeps its data in memory only",
        ),
        ("SAVE now", "(error) ERR wrong number of arguments for 'save' command"),
    ],
    ..spec("save", 1, PERSISTENCE | flags::NO_MULTI, Run::Keys(run))
};

fn run(_: &mut Context<'_>, _: Arguments<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::new(
        "ERR snapshots are not supported yet: Ringlet keeps its data in memory only",
    ))
}
