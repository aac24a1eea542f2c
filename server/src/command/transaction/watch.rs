//! WATCH: EXEC will run only if these keys have not changed by then.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::command::table;
use crate::session::Session;

/// WATCH key [key ...]
pub const SPEC: Spec = Spec {
    name: "watch",
    arity: -2,
    keys: Keys(&[KeySpec::at(1).to(-1).with(RO)]),
    flags: flags::NOSCRIPT
        | flags::LOADING
        | flags::STALE
        | flags::FAST
        | flags::ALLOW_BUSY
        | flags::TRANSACTION,
    categories: 0,
    group: Group::Transactions,
    since: "2.2.0",
    complexity: "O(1) for every key.",
    summary: "Monitors changes to keys to determine the execution of a transaction.",
    syntax: "key [key ...]",
    examples: &[
        ("WATCH k", "OK"),
        ("SET k 1", "OK"),
        ("MULTI", "OK"),
        ("WATCH k", "(error) ERR WATCH inside MULTI is not allowed"),
        ("GET k", "QUEUED"),
        ("EXEC", "(nil)"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, _: &mut Reply<'_>) -> CommandResult {
    if session.connection.transaction.is_some() {
        return Err(CommandError::new("ERR WATCH inside MULTI is not allowed"));
    }
    let command = table::find(&words[0]).expect("invariant: it is running");
    let header = session.connection.header(command);
    session.core.send_watch(session.connection, &header, words.from(1));
    Ok(())
}
