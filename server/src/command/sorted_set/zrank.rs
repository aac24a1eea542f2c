//! Job: find the rank of a member, from 0 for the lowest score.
//! In: the words `ZRANK key member [WITHSCORE]`.
//! Out: the rank, with WITHSCORE an array of rank and score; null when there is no such member.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::rank::{Direction, rank_reply};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZRANK key member [WITHSCORE]`
pub const SPEC: Spec = Spec {
    name: "zrank",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "2.0.0",
    complexity: "O(log(N))",
    summary: "Returns the rank of a member of a sorted set, the lowest score first.",
    syntax: "key member [WITHSCORE]",
    examples: &[
        ("ZADD board 1 one 2 two", "(integer) 2"),
        ("ZRANK board two", "(integer) 1"),
        ("ZRANK board two WITHSCORE", "1) (integer) 1\n2) \"2\""),
        ("ZRANK board three", "(nil)"),
        ("ZRANK board two SCORE", "(error) ERR syntax error"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    rank_reply(context, words, SPEC.name, Direction::Ascending, reply)
}
