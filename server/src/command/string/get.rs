//! Job: read a string.
//! In: the words `GET key`.
//! Out: the string, null when the key is missing.
//! Invariant: a large string is not copied.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `GET key`
pub const SPEC: Spec = Spec {
    name: "get",
    arity: 2,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Reads a string.",
    syntax: "key",
    examples: &[
        ("SET greeting Hello", "OK"),
        ("GET greeting", r#""Hello""#),
        ("GET missing", "(nil)"),
        ("RPUSH list a", "(integer) 1"),
        ("GET list", "(error) WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.reply_string(&words[1], reply)?;
    Ok(())
}
