//! Job: read a string and delete its key.
//! In: the words `GETDEL key`.
//! Out: the string, null when the key is missing.
//! Invariant: a key of another type stays.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `GETDEL key`
pub const SPEC: Spec = Spec {
    name: "getdel",
    arity: 2,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Reads a string and deletes its key.",
    syntax: "key",
    examples: &[
        ("SET greeting Hello", "OK"),
        ("GETDEL greeting", r#""Hello""#),
        ("GETDEL greeting", "(nil)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if context.reply_string(&words[1], reply)? {
        context.remove(&words[1]);
    }
    Ok(())
}
