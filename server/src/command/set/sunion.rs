//! Job: read what is in any of several sets.
//! In: the words `SUNION key [key ...]`.
//! Out: a set (an array in RESP2), in no particular order.
//! Invariant: nothing changes; a missing key is an empty set.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::set::algebra::{Operation, reply_result};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SUNION key [key ...]`
pub const SPEC: Spec = Spec {
    name: "sunion",
    arity: -2,
    keys: Keys::ALL,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    summary: "Returns the union of several sets.",
    syntax: "key [key ...]",
    examples: &[
        ("SADD one 1 2", "(integer) 2"),
        ("SADD two 2 3", "(integer) 2"),
        ("SUNION one two missing", "1) \"1\"\n2) \"2\"\n3) \"3\""),
        ("SUNION missing", "(empty array)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_result(context, Operation::Union, words.from(1), reply)
}
