//! Job: read what is in the first sorted set and in no other.
//! In: the words `ZDIFF numkeys key [key ...] [WITHSCORES]`.
//! Out: an array of members in order, with their scores where wanted.
//! Invariant: nothing changes; a missing key is an empty sorted set.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::combine::Operation;
use crate::command::sorted_set::combine_reply::combine_reply;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZDIFF numkeys key [key ...] [WITHSCORES]`
pub const SPEC: Spec = Spec {
    name: "zdiff",
    arity: -3,
    keys: Keys(&[KeySpec::counted(1)]),
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the \
        sets, N is the size of the first set, and K is the size of the result set.",
    summary: "Returns the difference of a sorted set and others.",
    syntax: "numkeys key [key ...] [WITHSCORES]",
    examples: &[
        ("ZADD one 1 a 2 b", "(integer) 2"),
        ("ZADD two 3 b 4 c", "(integer) 2"),
        ("ZDIFF 2 one two WITHSCORES", "1) \"a\"\n2) \"1\""),
        ("ZDIFF 2 missing one", "(empty array)"),
        ("ZDIFF 1 one WEIGHTS 1", "(error) ERR syntax error"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    combine_reply(context, words, Operation::Difference, SPEC.name, reply)
}
