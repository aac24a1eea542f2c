//! Job: replace a string and give the old one.
//! In: the words `GETSET key value`.
//! Out: the old string, null when the key was missing.
//! Invariant: an expiry is cleared, as SET does.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `GETSET key value`
pub const SPEC: Spec = Spec {
    name: "getset",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Replaces a string and gives the old one.",
    syntax: "key value",
    examples: &[
        ("GETSET state new", "(nil)"),
        ("GETSET state old", r#""new""#),
        ("RPUSH list a", "(integer) 1"),
        (
            "GETSET list b",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.reply_string(&words[1], reply)?;
    context.set_string_word(&words[1], words, 2, None);
    Ok(())
}
