//! ECHO: gives the message back.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// ECHO message
pub const SPEC: Spec = Spec {
    name: "echo",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::LOADING | flags::STALE | flags::FAST,
    categories: 0,
    group: Group::Connection,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Returns the given string.",
    syntax: "message",
    examples: &[
        ("ECHO hello", "\"hello\""),
        ("ECHO", "(error) ERR wrong number of arguments for 'echo' command"),
    ],
    run: Run::Session(run),
};

fn run(_: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match words.shared(1) {
        Some(large) => reply.bulk_shared(large),
        None => reply.bulk(&words[1]),
    }
    Ok(())
}
