//! Job: give a part of a string.
//! In: the words `GETRANGE key start end`.
//! Out: the bytes from start to end, both included; empty when there are none.
//! Invariant: negative positions count from the end.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::command::string::support::substring;
use crate::shard::context::Context;

/// `GETRANGE key start end`
pub const SPEC: Spec = Spec {
    name: "getrange",
    arity: 4,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::String,
    since: "2.4.0",
    complexity: "O(N) where N is the length of the returned string",
    summary: "Gives a part of a string.",
    syntax: "key start end",
    examples: &[
        (r#"SET text "This is a string""#, "OK"),
        ("GETRANGE text 0 3", r#""This""#),
        ("GETRANGE text -3 -1", r#""ing""#),
        ("GETRANGE text 10 100", r#""string""#),
        ("GETRANGE text 3 1", r#""""#),
        ("GETRANGE missing 0 -1", r#""""#),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    substring(context, words, reply)
}
