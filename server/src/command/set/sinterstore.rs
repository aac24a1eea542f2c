//! Job: keep what is in all of several sets under a key.
//! In: the words `SINTERSTORE destination key [key ...]`.
//! Out: how many members the result has.
//! Invariant: what the key held is replaced; an empty result deletes it.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, RO};
use crate::command::set::algebra::{Operation, store_result};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SINTERSTORE destination key [key ...]`
pub const SPEC: Spec = Spec {
    name: "sinterstore",
    arity: -3,
    keys: Keys(&[KeySpec::at(1), KeySpec::at(2).to(-1).with(RO | ACCESS)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the \
        number of sets.",
    summary: "Stores the intersection of several sets.",
    syntax: "destination key [key ...]",
    examples: &[
        ("SADD one 1 2 3", "(integer) 3"),
        ("SADD two 2 3 4", "(integer) 3"),
        ("SINTERSTORE both one two", "(integer) 2"),
        ("SMEMBERS both", "1) \"2\"\n2) \"3\""),
        ("SINTERSTORE both one missing", "(integer) 0"),
        ("EXISTS both", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    store_result(context, Operation::Intersection, words, reply)
}
