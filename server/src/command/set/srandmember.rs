//! Job: read random members of a set.
//! In: the words `SRANDMEMBER key [count]`.
//! Out: a member, null when there is none; with a count an array of members, which may repeat when
//! the count is negative.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::set::sampling::{Sample, fork_random, write_repeated};
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SRANDMEMBER key [count]`
pub const SPEC: Spec = Spec {
    name: "srandmember",
    arity: -2,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value of \
        the passed count.",
    summary: "Returns random members of a set.",
    syntax: "key [count]",
    examples: &[
        ("SADD set 7", "(integer) 1"),
        ("SRANDMEMBER set", r#""7""#),
        ("SRANDMEMBER set 5", r#"1) "7""#),
        ("SRANDMEMBER set -3", "1) \"7\"\n2) \"7\"\n3) \"7\""),
        ("SRANDMEMBER missing", "(nil)"),
        ("SRANDMEMBER missing 5", "(empty array)"),
        ("SRANDMEMBER set x", "(error) ERR value is not an integer or out of range"),
        ("SRANDMEMBER missing -9223372036854775807", "(empty array)"),
        ("SRANDMEMBER set -9223372036854775807", "(error) ERR value is out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if words.len() > 3 {
        return Err(CommandError::SYNTAX);
    }
    let sample = words.get(2).map(Sample::parse).transpose()?;
    let mut random = fork_random(context);
    let mut buffer = itoa::Buffer::new();
    let set = context.get::<Set>(&words[1])?;
    match (set, sample) {
        (None, None) => reply.null(),
        (None, Some(_)) => reply.array(0),
        (Some(set), None) => match set.random(&mut random) {
            Some(member) => reply.bulk(member.text(&mut buffer)),
            None => reply.null(),
        },
        (Some(set), Some(Sample::Distinct(count))) => {
            reply.array(count.min(set.len()));
            set.random_distinct(count, &mut random, |member| {
                reply.bulk(member.text(&mut buffer));
            });
        }
        (Some(set), Some(Sample::Repeated(count))) => {
            write_repeated(count, 1, reply, |reply| {
                let Some(member) = set.random(&mut random) else { return 0 };
                let text = member.text(&mut buffer);
                reply.bulk(text);
                text.len()
            })?;
        }
    }
    Ok(())
}
