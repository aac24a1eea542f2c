//! SELECT: changes the logical database of the connection.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags, integer};
use crate::session::Session;

/// SELECT index
pub const SPEC: Spec = Spec {
    name: "select",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::LOADING | flags::STALE | flags::FAST,
    categories: 0,
    group: Group::Connection,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Changes the selected database.",
    syntax: "index",
    examples: &[
        ("SELECT 1", "OK"),
        ("SELECT 99", "(error) ERR DB index is out of range"),
        ("SELECT x", "(error) ERR value is not an integer or out of range"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let index = integer(&words[1])?;
    // Redis reads a C int.
    if i32::try_from(index).is_err() {
        return Err(CommandError::new(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    let databases = session.core.config.databases;
    let index = usize::try_from(index).ok().filter(|index| *index < databases);
    session.connection.db = index.ok_or(CommandError::DB_OUT_OF_RANGE)?;
    reply.ok();
    Ok(())
}
