//! Job: read what is in the first set and in no other.
//! In: the words `SDIFF key [key ...]`.
//! Out: a set (an array in RESP2), in no particular order.
//! Invariant: nothing changes; a missing key is an empty set.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::set::algebra::{Operation, reply_result};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SDIFF key [key ...]`
pub const SPEC: Spec = Spec {
    name: "sdiff",
    arity: -2,
    keys: Keys::ALL,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    summary: "Returns the difference of a set and others.",
    syntax: "key [key ...]",
    examples: &[
        ("SADD one 1 2 3", "(integer) 3"),
        ("SADD two 2", "(integer) 1"),
        ("SDIFF one two missing", "1) \"1\"\n2) \"3\""),
        ("SDIFF missing one", "(empty array)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_result(context, Operation::Difference, words.from(1), reply)
}
