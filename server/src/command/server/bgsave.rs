//! Job: refuse to save a snapshot in the background.
//! In: the word `BGSAVE`. Out: an error that says why.
//! Invariant: nobody is told that data is safe when it is not.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{PERSISTENCE, spec};
use crate::command::spec::{CommandError, CommandResult, Run, Spec, is_word};
use crate::shard::context::Context;

/// `BGSAVE`
pub const SPEC: Spec = Spec {
    summary: "Would save a snapshot in the background; refused, for there are none yet.",
    syntax: "[SCHEDULE]",
    examples: &[
        (
            "BGSAVE",
            "(error) ERR snapshots are not supported yet: Ringlet keeps its data in memory only",
        ),
        (
            "BGSAVE SCHEDULE",
            "(error) ERR snapshots are not supported yet: Ringlet keeps its data in memory only",
        ),
    ],
    ..spec("bgsave", -1, PERSISTENCE, Run::Keys(run))
};

fn run(_: &mut Context<'_>, words: Arguments<'_>, _: &mut Reply<'_>) -> CommandResult {
    let is_scheduled = words.len() == 2 && is_word(&words[1], "SCHEDULE");
    if words.len() > 1 && !is_scheduled {
        return Err(CommandError::SYNTAX);
    }
    Err(CommandError::new(
        "ERR snapshots are not supported yet: Ringlet keeps its data in memory only",
    ))
}
