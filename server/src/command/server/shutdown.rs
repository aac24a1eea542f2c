//! Job: stop the server in an orderly way.
//! In: the words `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`.
//! Out: no reply, the connection ends; or an error.
//! Invariant: SAVE is refused as long as there is nothing that could save.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{ADMIN, spec};
use crate::command::spec::{CommandError, CommandResult, Run, Spec, flags, is_word};
use crate::connection::Ending;
use crate::process::ControlCommand;
use crate::session::Session;

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`
pub const SPEC: Spec = Spec {
    summary: "Stops the server: no new clients, replies in flight are delivered.",
    syntax: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
    examples: &[
        ("SHUTDOWN ABORT", "(error) ERR No shutdown in progress."),
        ("SHUTDOWN SAVE NOSAVE", "(error) ERR syntax error"),
        ("SHUTDOWN SAVE", "(error) ERR snapshots are not supported yet: use SHUTDOWN NOSAVE"),
    ],
    ..spec("shutdown", -1, ADMIN | flags::NO_MULTI | flags::ALLOW_BUSY, Run::Session(run))
};

#[derive(Default)]
struct Options {
    save: bool,
    no_save: bool,
    now: bool,
    force: bool,
    abort: bool,
}

fn parse(words: Arguments<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    for word in words.iter().skip(1) {
        let option = match () {
            _ if is_word(word, "SAVE") => &mut options.save,
            _ if is_word(word, "NOSAVE") => &mut options.no_save,
            _ if is_word(word, "NOW") => &mut options.now,
            _ if is_word(word, "FORCE") => &mut options.force,
            _ if is_word(word, "ABORT") => &mut options.abort,
            _ => return Err(CommandError::SYNTAX),
        };
        *option = true;
    }
    let others = options.save || options.no_save || options.now || options.force;
    if options.save && options.no_save || options.abort && others {
        return Err(CommandError::SYNTAX);
    }
    Ok(options)
}

fn run(session: &mut Session<'_>, words: Arguments<'_>, _: &mut Reply<'_>) -> CommandResult {
    let options = parse(words)?;
    if options.abort {
        // A shutdown waits for nothing that could be called off: replies leave, and it is over.
        return Err(CommandError::new("ERR No shutdown in progress."));
    }
    if options.save {
        return Err(CommandError::new("ERR snapshots are not supported yet: use SHUTDOWN NOSAVE"));
    }
    tracing::info!("User requested shutdown...");
    let control = session.core.shared.control.get();
    if control.is_none_or(|control| control.send(ControlCommand::Shutdown).is_err()) {
        return Err(CommandError::new("ERR Errors trying to SHUTDOWN. Check logs."));
    }
    session.connection.ending = Ending::AfterReplies;
    Ok(())
}
