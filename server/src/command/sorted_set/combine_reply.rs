//! Job: reply or store what [`super::combine`] makes of several sorted sets.
//! In: the words of ZUNION, ZUNIONSTORE and their kin.
//! Out: an array of members, or a new sorted set and its size.
//! Invariant: inputs do not change, unless the destination is one of them.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::combine::{Combination, Operation, Purpose};
use crate::command::sorted_set::support::{collect, store_reply, write_members};
use crate::command::spec::CommandResult;
use crate::shard::context::Context;

/// ZUNION, ZINTER and ZDIFF. `name`: the command's, for an error.
pub fn combine_reply(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    operation: Operation,
    name: &str,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let combination = Combination::parse(context, words.from(1), operation, Purpose::Reply, name)?;
    let limits = context.limits();
    let pairs = combination.compute(context, &limits);
    let members = pairs.iter().map(|(member, score)| (&**member, *score));
    write_members(members, combination.with_scores, reply);
    Ok(())
}

/// ZUNIONSTORE, ZINTERSTORE and ZDIFFSTORE: the second word is the destination.
pub fn combine_store(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    operation: Operation,
    name: &str,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let combination = Combination::parse(context, words.from(2), operation, Purpose::Store, name)?;
    let limits = context.limits();
    let pairs = combination.compute(context, &limits);
    let result = collect(pairs.iter().map(|(member, score)| (&**member, *score)), &limits);
    store_reply(context, &words[1], result, reply);
    Ok(())
}
