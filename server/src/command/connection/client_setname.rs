//! CLIENT SETNAME: names this connection, for CLIENT LIST and the slow log.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT SETNAME connection-name
pub const SPEC: Spec = Spec {
    name: "setname",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::AFTER_OTHERS | flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "2.6.9",
    complexity: "O(1)",
    summary: "Sets the connection name.",
    syntax: "connection-name",
    examples: &[
        ("CLIENT SETNAME me", "OK"),
        (
            "CLIENT SETNAME \"a b\"",
            "(error) ERR Client names cannot contain spaces, newlines or special characters.",
        ),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    session.connection.name = client_name(&words[2])?;
    reply.ok();
    Ok(())
}

/// A word as a connection's name; the empty one takes the name away.
pub fn client_name(word: &[u8]) -> Result<Box<str>, CommandError> {
    printable(word).ok_or(CommandError::new(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

/// A word that can stand in a line of CLIENT LIST: characters from `!` to `~` only.
pub fn printable(word: &[u8]) -> Option<Box<str>> {
    if !word.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    std::str::from_utf8(word).ok().map(Box::from)
}
