//! Job: find the rank of a member, from 0 for the highest score.
//! In: the words `ZREVRANK key member [WITHSCORE]`.
//! Out: the rank, with WITHSCORE an array of rank and score; null when there is no such member.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::rank::{Direction, rank_reply};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZREVRANK key member [WITHSCORE]`
pub const SPEC: Spec = Spec {
    name: "zrevrank",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "2.0.0",
    complexity: "O(log(N))",
    summary: "Returns the rank of a member of a sorted set, the highest score first.",
    syntax: "key member [WITHSCORE]",
    examples: &[
        ("ZADD board 1 one 2 two", "(integer) 2"),
        ("ZREVRANK board two", "(integer) 0"),
        ("ZREVRANK board one WITHSCORE", "1) (integer) 1\n2) \"1\""),
        ("ZREVRANK missing one WITHSCORE", "(nil)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    rank_reply(context, words, SPEC.name, Direction::Descending, reply)
}
