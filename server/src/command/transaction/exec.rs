//! EXEC: runs the queued commands as one step, unless a watched key has changed.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::command::table;
use crate::session::Session;

/// EXEC
pub const SPEC: Spec = Spec {
    name: "exec",
    arity: 1,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT
        | flags::LOADING
        | flags::STALE
        | flags::SKIP_SLOWLOG
        | flags::TRANSACTION
        | flags::ENDS_TRANSACTION,
    categories: 0,
    group: Group::Transactions,
    since: "1.2.0",
    complexity: "Depends on commands in the transaction",
    summary: "Executes all commands in a transaction.",
    syntax: "",
    examples: &[
        ("EXEC", "(error) ERR EXEC without MULTI"),
        ("MULTI", "OK"),
        ("SET k 1", "QUEUED"),
        ("INCR k", "QUEUED"),
        ("EXEC", "1) OK\n2) (integer) 2"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, _: &mut Reply<'_>) -> CommandResult {
    let Some(queued) = session.connection.transaction.take() else {
        return Err(CommandError::new("ERR EXEC without MULTI"));
    };
    if queued.has_error {
        session.core.end_connection_watch(session.connection);
        return Err(CommandError::new(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    let command = table::find(&words[0]).expect("invariant: it is running");
    let header = session.connection.header(command);
    session.core.exec(session.connection, &queued, &header);
    Ok(())
}
