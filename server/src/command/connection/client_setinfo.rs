//! CLIENT SETINFO: tells which library the client uses.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::client_setname::printable;
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>
pub const SPEC: Spec = Spec {
    name: "setinfo",
    arity: 4,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "7.2.0",
    complexity: "O(1)",
    summary: "Sets information specific to the client or connection.",
    syntax: "<LIB-NAME libname | LIB-VER libver>",
    examples: &[
        ("CLIENT SETINFO LIB-NAME lib", "OK"),
        (
            "CLIENT SETINFO LIB-VER \"1 2\"",
            "(error) ERR lib-ver cannot contain spaces, newlines or special characters.",
        ),
        ("CLIENT SETINFO COLOUR red", "(error) ERR Unrecognized option 'COLOUR'"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let option = String::from_utf8_lossy(&words[2]);
    let place = match option.to_ascii_lowercase().as_str() {
        "lib-name" => &mut session.connection.library_name,
        "lib-ver" => &mut session.connection.library_version,
        _ => return Err(CommandError::with(format!("ERR Unrecognized option '{option}'"))),
    };
    *place = printable(&words[3]).ok_or_else(|| {
        CommandError::with(format!(
            "ERR {} cannot contain spaces, newlines or special characters.",
            option.to_ascii_lowercase()
        ))
    })?;
    reply.ok();
    Ok(())
}
