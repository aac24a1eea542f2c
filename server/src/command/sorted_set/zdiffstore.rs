//! Job: keep what is in the first sorted set and in no other under a key.
//! In: the words `ZDIFFSTORE destination numkeys key [key ...]`.
//! Out: how many members the result has.
//! Invariant: what the destination held is replaced; an empty result deletes it.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, OW, RO, UPDATE};
use crate::command::sorted_set::combine::Operation;
use crate::command::sorted_set::combine_reply::combine_store;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZDIFFSTORE destination numkeys key [key ...]`
pub const SPEC: Spec = Spec {
    name: "zdiffstore",
    arity: -4,
    keys: Keys(&[KeySpec::at(1).with(OW | UPDATE), KeySpec::counted(2).with(RO | ACCESS)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the \
        sets, N is the size of the first set, and K is the size of the result set.",
    summary: "Stores the difference of a sorted set and others.",
    syntax: "destination numkeys key [key ...]",
    examples: &[
        ("ZADD one 1 a 2 b", "(integer) 2"),
        ("ZADD two 3 b 4 c", "(integer) 2"),
        ("ZDIFFSTORE rest 2 one two", "(integer) 1"),
        ("ZRANGE rest 0 -1 WITHSCORES", "1) \"a\"\n2) \"1\""),
        ("ZDIFFSTORE rest 2 one one", "(integer) 0"),
        ("EXISTS rest", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    combine_store(context, words, Operation::Difference, SPEC.name, reply)
}
