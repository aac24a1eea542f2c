//! Job: set a string unless the key exists.
//! In: the words `SETNX key value`.
//! Out: 1 when it was set, otherwise 0.
//! Invariant: an existing key of any type stays as it is.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{INSERT, OW};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SETNX key value`
pub const SPEC: Spec = Spec {
    name: "setnx",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(OW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Sets a string unless the key exists.",
    syntax: "key value",
    examples: &[
        ("SETNX lock me", "(integer) 1"),
        ("SETNX lock you", "(integer) 0"),
        ("GET lock", r#""me""#),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let is_free = context.write(&words[1]).is_none();
    if is_free {
        context.set_string_word(&words[1], words, 2, None);
    }
    reply.integer(i64::from(is_free));
    Ok(())
}
