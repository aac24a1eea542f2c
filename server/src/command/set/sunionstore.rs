//! Job: keep what is in any of several sets under a key.
//! In: the words `SUNIONSTORE destination key [key ...]`.
//! Out: how many members the result has.
//! Invariant: what the key held is replaced; an empty result deletes it.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, OW, RO, UPDATE};
use crate::command::set::algebra::{Operation, store_result};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SUNIONSTORE destination key [key ...]`
pub const SPEC: Spec = Spec {
    name: "sunionstore",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(OW | UPDATE), KeySpec::at(2).to(-1).with(RO | ACCESS)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    summary: "Stores the union of several sets.",
    syntax: "destination key [key ...]",
    examples: &[
        ("SADD one 1 2", "(integer) 2"),
        ("SADD two 2 3", "(integer) 2"),
        ("SUNIONSTORE sum one two", "(integer) 3"),
        ("SMEMBERS sum", "1) \"1\"\n2) \"2\"\n3) \"3\""),
        ("SUNIONSTORE sum missing", "(integer) 0"),
        ("EXISTS sum", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    store_result(context, Operation::Union, words, reply)
}
