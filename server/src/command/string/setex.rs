//! Job: set a string that expires after some seconds.
//! In: the words `SETEX key seconds value`.
//! Out: OK.
//! Invariant: nothing changes when an error is the reply.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{OW, UPDATE};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::command::string::support::ExpiryKind;
use crate::shard::context::Context;

/// `SETEX key seconds value`
pub const SPEC: Spec = Spec {
    name: "setex",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(OW | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::String,
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Sets a string that expires after some seconds.",
    syntax: "key seconds value",
    examples: &[
        ("SETEX session 10 data", "OK"),
        ("TTL session", "(integer) 10"),
        ("SETEX session 0 data", "(error) ERR invalid expire time in 'setex' command"),
        ("SETEX session soon data", "(error) ERR value is not an integer or out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let expiry_ms = ExpiryKind::Seconds.resolve(&words[2], context.now_ms, SPEC.name)?;
    context.set_string_word(&words[1], words, 3, Some(expiry_ms));
    reply.ok();
    Ok(())
}
