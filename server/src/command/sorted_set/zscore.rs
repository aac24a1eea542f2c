//! Job: read the score of a member.
//! In: the words `ZSCORE key member`.
//! Out: the score, null when there is no such member.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZSCORE key member`
pub const SPEC: Spec = Spec {
    name: "zscore",
    arity: 3,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Returns the score of a member of a sorted set.",
    syntax: "key member",
    examples: &[
        ("ZADD board 1.5 one", "(integer) 1"),
        ("ZSCORE board one", r#""1.5""#),
        ("ZSCORE board two", "(nil)"),
        ("ZSCORE missing one", "(nil)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match context.get::<SortedSet>(&words[1])?.and_then(|set| set.score(&words[2])) {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(())
}
