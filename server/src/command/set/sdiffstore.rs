//! Job: keep what is in the first set and in no other under a key.
//! In: the words `SDIFFSTORE destination key [key ...]`.
//! Out: how many members the result has.
//! Invariant: what the key held is replaced; an empty result deletes it.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, OW, RO, UPDATE};
use crate::command::set::algebra::{Operation, store_result};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SDIFFSTORE destination key [key ...]`
pub const SPEC: Spec = Spec {
    name: "sdiffstore",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(OW | UPDATE), KeySpec::at(2).to(-1).with(RO | ACCESS)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    summary: "Stores the difference of a set and others.",
    syntax: "destination key [key ...]",
    examples: &[
        ("SADD one 1 2 3", "(integer) 3"),
        ("SADD two 2", "(integer) 1"),
        ("SDIFFSTORE rest one two", "(integer) 2"),
        ("SMEMBERS rest", "1) \"1\"\n2) \"3\""),
        ("SDIFFSTORE one one one", "(integer) 0"),
        ("EXISTS one", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    store_result(context, Operation::Difference, words, reply)
}
