//! Job: remove elements of a list that equal a value.
//! In: the words `LREM key count element`.
//! Out: how many were removed.
//! Invariant: an emptied list is deleted; when nothing is removed nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::list::List;

use crate::command::key_spec::access::{DELETE, RW};
use crate::command::list::words::symmetric;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `LREM key count element`
pub const SPEC: Spec = Spec {
    name: "lrem",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | DELETE)]),
    flags: flags::WRITE,
    categories: 0,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N+M) where N is the length of the list and M is the number of elements \
        removed.",
    summary: "Removes elements that equal a value: the first few, the last few, or all.",
    syntax: "key count element",
    examples: &[
        ("RPUSH list a b a c a", "(integer) 5"),
        ("LREM list -1 a", "(integer) 1"),
        ("LRANGE list 0 -1", "1) \"a\"\n2) \"b\"\n3) \"a\"\n4) \"c\""),
        ("LREM list 0 a", "(integer) 2"),
        ("LREM list 0 a", "(integer) 0"),
        ("LREM missing 0 a", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let count = symmetric(&words[2])?;
    let limits = context.limits();
    let Some(list) = context.get_mut::<List>(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let removed = list.remove(&words[3], count, &limits);
    if removed > 0 {
        context.shrunk(key);
    }
    reply.integer(removed as i64);
    Ok(())
}
