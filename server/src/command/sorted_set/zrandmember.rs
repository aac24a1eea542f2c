//! Job: read random members of a sorted set.
//! In: the words `ZRANDMEMBER key [count [WITHSCORES]]`.
//! Out: a member, null when there is none; with a count an array of members, which may repeat when
//! the count is negative, with their scores where wanted.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::set::sampling::{Sample, fork_random, write_repeated};
use crate::command::sorted_set::support::{open_pairs, values_per_pair, write_pair};
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags, is_word};
use crate::shard::context::Context;

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub const SPEC: Spec = Spec {
    name: "zrandmember",
    arity: -2,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(N) where N is the number of elements returned",
    summary: "Returns random members of a sorted set.",
    syntax: "key [count [WITHSCORES]]",
    examples: &[
        ("ZADD board 1 one", "(integer) 1"),
        ("ZRANDMEMBER board", r#""one""#),
        ("ZRANDMEMBER board 5 WITHSCORES", "1) \"one\"\n2) \"1\""),
        ("ZRANDMEMBER board -3", "1) \"one\"\n2) \"one\"\n3) \"one\""),
        ("ZRANDMEMBER missing 5", "(empty array)"),
        ("ZRANDMEMBER board x", "(error) ERR value is not an integer or out of range"),
        ("ZRANDMEMBER missing -9223372036854775807", "(empty array)"),
        ("ZRANDMEMBER board -9223372036854775807", "(error) ERR value is out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match words.get(2) {
        None => reply_one(context, &words[1], reply),
        Some(word) => {
            let sample = Sample::parse(word)?;
            let with_scores = parse_with_scores(words.from(3), sample)?;
            reply_several(context, &words[1], sample, with_scores, reply)
        }
    }
}

fn parse_with_scores(options: Arguments<'_>, sample: Sample) -> Result<bool, CommandError> {
    match (options.get(0), options.len()) {
        (None, _) => Ok(false),
        (Some(option), 1) if is_word(option, "WITHSCORES") => sample.check_pairs().map(|()| true),
        _ => Err(CommandError::SYNTAX),
    }
}

fn reply_one(context: &mut Context<'_>, key: &[u8], reply: &mut Reply<'_>) -> CommandResult {
    let mut random = fork_random(context);
    match context.get::<SortedSet>(key)?.and_then(|set| set.random(&mut random)) {
        Some((member, _)) => reply.bulk(member),
        None => reply.null(),
    }
    Ok(())
}

fn reply_several(
    context: &mut Context<'_>,
    key: &[u8],
    sample: Sample,
    with_scores: bool,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let mut random = fork_random(context);
    let Some(set) = context.get::<SortedSet>(key)? else {
        reply.array(0);
        return Ok(());
    };
    let write = |member: &[u8], score, reply: &mut Reply<'_>| {
        if with_scores { write_pair(member, score, reply) } else { reply.bulk(member) }
    };
    match sample {
        Sample::Distinct(count) => {
            let count = count.min(set.len());
            if with_scores {
                open_pairs(count, reply)
            } else {
                reply.array(count)
            }
            set.random_distinct(count, &mut random, |member, score| write(member, score, reply));
        }
        Sample::Repeated(count) => {
            let values = if with_scores { values_per_pair(reply.version()) } else { 1 };
            write_repeated(count, values, reply, |reply| {
                let Some((member, score)) = set.random(&mut random) else { return 0 };
                write(member, score, reply);
                member.len()
            })?;
        }
    }
    Ok(())
}
