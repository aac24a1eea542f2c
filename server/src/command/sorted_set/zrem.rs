//! Job: remove members of a sorted set.
//! In: the words `ZREM key member [member ...]`.
//! Out: how many were there.
//! Invariant: an emptied sorted set is deleted; when nothing is removed nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::key_spec::access::{DELETE, RW};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZREM key member [member ...]`
pub const SPEC: Spec = Spec {
    name: "zrem",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(RW | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the \
        number of elements to be removed.",
    summary: "Removes members of a sorted set.",
    syntax: "key member [member ...]",
    examples: &[
        ("ZADD board 1 one 2 two", "(integer) 2"),
        ("ZREM board one three", "(integer) 1"),
        ("ZREM board two", "(integer) 1"),
        ("EXISTS board", "(integer) 0"),
        ("ZREM board two", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let Some(set) = context.get_mut::<SortedSet>(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let removed = words.from(2).iter().filter(|member| set.remove(member).is_some()).count();
    if removed > 0 {
        context.shrunk(key);
    }
    reply.integer(removed as i64);
    Ok(())
}
