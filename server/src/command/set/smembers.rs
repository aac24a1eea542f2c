//! Job: read all members of a set.
//! In: the words `SMEMBERS key`.
//! Out: a set (an array in RESP2), in no particular order.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SMEMBERS key`
pub const SPEC: Spec = Spec {
    name: "smembers",
    arity: 2,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(N) where N is the set cardinality.",
    summary: "Returns all members of a set.",
    syntax: "key",
    examples: &[
        ("SADD set 1 2", "(integer) 2"),
        ("SMEMBERS set", "1) \"1\"\n2) \"2\""),
        ("SMEMBERS missing", "(empty array)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(set) = context.get::<Set>(&words[1])? else {
        reply.set(0);
        return Ok(());
    };
    let mut buffer = itoa::Buffer::new();
    reply.set(set.len());
    set.iter().for_each(|member| reply.bulk(member.text(&mut buffer)));
    Ok(())
}
