//! Job: remove members of a set.
//! In: the words `SREM key member [member ...]`.
//! Out: how many were there.
//! Invariant: an emptied set is deleted; when nothing is removed nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::key_spec::access::{DELETE, RW};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SREM key member [member ...]`
pub const SPEC: Spec = Spec {
    name: "srem",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(RW | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the number of members to be removed.",
    summary: "Removes members of a set.",
    syntax: "key member [member ...]",
    examples: &[
        ("SADD set a b c", "(integer) 3"),
        ("SREM set a x", "(integer) 1"),
        ("SREM set b c", "(integer) 2"),
        ("EXISTS set", "(integer) 0"),
        ("SREM set a", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let Some(set) = context.get_mut::<Set>(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let removed = words.from(2).iter().filter(|member| set.remove(member)).count();
    if removed > 0 {
        context.shrunk(key);
    }
    reply.integer(removed as i64);
    Ok(())
}
