//! Job: show a connection all commands of all clients from here on.
//! In: the word `MONITOR`. Out: OK, then a line for each command.
//! Invariant: a monitor that does not keep up is cut off by its output limit.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{ADMIN, spec};
use crate::command::spec::{CommandError, CommandResult, Run, Spec, flags};
use crate::session::Session;

/// `MONITOR`
pub const SPEC: Spec = Spec {
    summary: "Shows all commands of all clients from here on.",
    complexity: "O(1) for each command that any client sends.",
    examples: &[
        ("MONITOR all", "(error) ERR wrong number of arguments for 'monitor' command"),
        ("MULTI", "OK"),
        ("MONITOR", "QUEUED"),
        ("EXEC", "1) (error) ERR MONITOR isn't allowed for DENY BLOCKING client"),
        ("COMMAND GETKEYS MONITOR", "(error) ERR The command has no key arguments"),
    ],
    ..spec("monitor", 1, ADMIN | flags::AFTER_OTHERS, Run::Session(run))
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if session.is_in_transaction {
        return Err(CommandError::new("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    session.core.start_monitor(session.connection);
    reply.ok();
    Ok(())
}
