//! Job: take random members out of a set.
//! In: the words `SPOP key [count]`.
//! Out: the member, null when there is none; with a count a set (an array in RESP2) of members.
//! Invariant: what is replied is no longer in the set; an emptied set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::list::words::non_negative;
use crate::command::set::sampling::fork_random;
use crate::command::spec::{CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SPOP key [count]`
pub const SPEC: Spec = Spec {
    name: "spop",
    arity: -2,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the \
        passed count.",
    summary: "Removes random members of a set and returns them.",
    syntax: "key [count]",
    examples: &[
        ("SADD set 7", "(integer) 1"),
        ("SPOP set", r#""7""#),
        ("SPOP set", "(nil)"),
        ("SADD set 1 2", "(integer) 2"),
        ("SPOP set 5", "1) \"1\"\n2) \"2\""),
        ("EXISTS set", "(integer) 0"),
        ("SPOP set 1", "(empty array)"),
        ("SPOP set -1", "(error) ERR value is out of range, must be positive"),
    ],
    run: Run::Keys(run),
};

/// When that many times the members that stay are no more than those that go, it is the former that
/// move, into a new set. As in Redis, for its encoding shows it.
const KEEP_FACTOR: usize = 5;

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match words.len() {
        2 => pop_one(context, &words[1], reply),
        3 => pop_several(context, &words[1], non_negative(&words[2])?, reply),
        _ => Err(CommandError::SYNTAX),
    }
}

fn pop_one(context: &mut Context<'_>, key: &[u8], reply: &mut Reply<'_>) -> CommandResult {
    let mut random = fork_random(context);
    let popped = context.get_mut::<Set>(key)?.and_then(|set| set.pop_random(&mut random));
    match popped {
        Some(member) => {
            context.shrunk(key);
            reply.bulk(&member);
        }
        None => reply.null(),
    }
    Ok(())
}

fn pop_several(
    context: &mut Context<'_>,
    key: &[u8],
    count: usize,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let (mut random, limits) = (fork_random(context), context.limits());
    let Some(set) = context.get_mut::<Set>(key)?.filter(|_| count > 0) else {
        reply.set(0);
        return Ok(());
    };
    if count >= set.len() {
        let mut buffer = itoa::Buffer::new();
        reply.set(set.len());
        set.iter().for_each(|member| reply.bulk(member.text(&mut buffer)));
        context.remove(key);
        return Ok(());
    }
    let remaining = set.len() - count;
    if remaining * KEEP_FACTOR <= count {
        let popped = set.keep_random(remaining, &mut random, &limits);
        let mut buffer = itoa::Buffer::new();
        reply.set(popped.len());
        popped.iter().for_each(|member| reply.bulk(member.text(&mut buffer)));
        context.keyspace.graveyard.bury_object(popped.into());
        context.shrunk(key);
        return Ok(());
    }
    let mut chosen = Vec::with_capacity(count);
    set.random_distinct(count, &mut random, |member| chosen.push(member.to_vec()));
    reply.set(chosen.len());
    for member in chosen {
        set.remove(&member);
        reply.bulk(&member);
    }
    context.shrunk(key);
    Ok(())
}
