//! Job: ZRANGE and the older commands that read a range.
//! In: a key, the ends of a range, options.
//! Out: an array of members, with their scores where wanted.
//! Invariant: nothing changes; all words are judged before the key is.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::sorted_set::range::{Dialect, RangeQuery};
use crate::command::sorted_set::support::write_members;
use crate::command::spec::CommandResult;
use crate::shard::context::Context;

/// Replies the range that the words from the third on name.
pub fn range_reply(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    dialect: Dialect,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let query = RangeQuery::parse(words.from(2), dialect)?;
    let Some(set) = context.get::<SortedSet>(&words[1])? else {
        reply.array(0);
        return Ok(());
    };
    let members = set.range(query.resolve(set));
    if query.reverse {
        write_members(members.rev(), query.with_scores, reply);
    } else {
        write_members(members, query.with_scores, reply);
    }
    Ok(())
}
