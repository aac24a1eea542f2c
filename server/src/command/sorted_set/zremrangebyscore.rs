//! Job: remove the members of a sorted set whose scores lie in a range.
//! In: the words `ZREMRANGEBYSCORE key min max`.
//! Out: how many were removed.
//! Invariant: an emptied sorted set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{DELETE, RW};
use crate::command::sorted_set::range::score_range;
use crate::command::sorted_set::support::remove_reply;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZREMRANGEBYSCORE key min max`
pub const SPEC: Spec = Spec {
    name: "zremrangebyscore",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | DELETE)]),
    flags: flags::WRITE,
    categories: 0,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
        number of elements removed by the operation.",
    summary: "Removes the members of a sorted set whose scores lie in a range.",
    syntax: "key min max",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZREMRANGEBYSCORE board -inf (3", "(integer) 2"),
        ("ZRANGE board 0 -1", r#"1) "three""#),
        ("ZREMRANGEBYSCORE board 5 9", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let range = score_range(&words[2], &words[3])?;
    remove_reply(context, &words[1], |set| set.score_span(&range), reply)
}
