//! Job: tell the length of a string.
//! In: the words `STRLEN key`.
//! Out: bytes, 0 when the key is missing.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::RO;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `STRLEN key`
pub const SPEC: Spec = Spec {
    name: "strlen",
    arity: 2,
    keys: Keys(&[KeySpec::at(1).with(RO)]),
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::String,
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Gives the length of a string in bytes.",
    syntax: "key",
    examples: &[
        ("SET greeting Hello", "OK"),
        ("STRLEN greeting", "(integer) 5"),
        ("STRLEN missing", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let length = context.string(&words[1])?.map_or(0, <[u8]>::len);
    reply.integer(length as i64);
    Ok(())
}
