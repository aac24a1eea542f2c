//! Job: take the member with the lowest score out of the first sorted set that has one; wait when
//! none has.
//! In: the words `BZPOPMIN key [key ...] timeout`.
//! Out: the key, the member and its score, or a null array when the time is over.
//! Invariant: keys are looked at in their order; an emptied sorted set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::sorted_set::support::{End, pop_or_wait};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `BZPOPMIN key [key ...] timeout`
pub const SPEC: Spec = Spec {
    name: "bzpopmin",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).to(-2).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::NOSCRIPT | flags::BLOCKING | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "5.0.0",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    summary: "Removes and returns the member with the lowest score, and waits for one.",
    syntax: "key [key ...] timeout",
    examples: &[
        ("ZADD two 1 a 2 b", "(integer) 2"),
        ("BZPOPMIN one two 1", "1) \"two\"\n2) \"a\"\n3) \"1\""),
        ("BZPOPMIN one 0.01", "(nil)"),
        ("BZPOPMIN two soon", "(error) ERR timeout is not a float or out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_or_wait(context, words, End::Min, reply)
}
