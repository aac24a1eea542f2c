//! Job: read what is in all of several sets.
//! In: the words `SINTER key [key ...]`.
//! Out: a set (an array in RESP2), in no particular order.
//! Invariant: nothing changes; a missing key is an empty set.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::set::algebra::{Operation, reply_result};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SINTER key [key ...]`
pub const SPEC: Spec = Spec {
    name: "sinter",
    arity: -2,
    keys: Keys::ALL,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the \
        number of sets.",
    summary: "Returns the intersection of several sets.",
    syntax: "key [key ...]",
    examples: &[
        ("SADD one 1 2 3", "(integer) 3"),
        ("SADD two 2 3 4", "(integer) 3"),
        ("SINTER one two", "1) \"2\"\n2) \"3\""),
        ("SINTER one missing", "(empty array)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_result(context, Operation::Intersection, words.from(1), reply)
}
