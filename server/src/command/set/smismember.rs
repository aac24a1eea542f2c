//! Job: tell for each of several members whether it is in a set.
//! In: the words `SMISMEMBER key member [member ...]`.
//! Out: an array of 1 and 0.
//! Invariant: nothing changes; the order is that of the words.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SMISMEMBER key member [member ...]`
pub const SPEC: Spec = Spec {
    name: "smismember",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::READONLY | flags::FAST,
    categories: 0,
    group: Group::Set,
    since: "6.2.0",
    complexity: "O(N) where N is the number of elements being checked for membership",
    summary: "Tells for several members whether each is in a set.",
    syntax: "key member [member ...]",
    examples: &[
        ("SADD set a b", "(integer) 2"),
        ("SMISMEMBER set a c b", "1) (integer) 1\n2) (integer) 0\n3) (integer) 1"),
        ("SMISMEMBER missing a", "1) (integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = context.get::<Set>(&words[1])?;
    let members = words.from(2);
    reply.array(members.len());
    for member in members.iter() {
        reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}
