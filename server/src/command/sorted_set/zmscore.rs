//! Job: read the scores of several members.
//! In: the words `ZMSCORE key member [member ...]`.
//! Out: an array of scores, with null for those that are not there.
//! Invariant: nothing changes; the order is that of the words.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZMSCORE key member [member ...]`
pub const SPEC: Spec = Spec {
    name: "zmscore",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(N) where N is the number of members being requested.",
    summary: "Returns the scores of several members of a sorted set.",
    syntax: "key member [member ...]",
    examples: &[
        ("ZADD board 1 one 2 two", "(integer) 2"),
        ("ZMSCORE board two three one", "1) \"2\"\n2) (nil)\n3) \"1\""),
        ("ZMSCORE missing one", "1) (nil)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = context.get::<SortedSet>(&words[1])?;
    let members = words.from(2);
    reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply.double(score),
            None => reply.null(),
        }
    }
    Ok(())
}
