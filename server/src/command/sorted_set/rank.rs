//! Job: ZRANK and ZREVRANK.
//! In: a key, a member, perhaps WITHSCORE.
//! Out: the rank, or rank and score.
//! Invariant: nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::spec::{CommandError, CommandResult, is_word};
use crate::shard::context::Context;

/// Which member has rank 0.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The one with the lowest score.
    Ascending,
    /// The one with the highest score.
    Descending,
}

/// Replies the rank of the third word; `name` is the command's, for an error.
pub fn rank_reply(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    name: &str,
    direction: Direction,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let with_score = match words.get(3) {
        _ if words.len() > 4 => return Err(CommandError::arity(name)),
        None => false,
        Some(option) if is_word(option, "WITHSCORE") => true,
        Some(_) => return Err(CommandError::SYNTAX),
    };
    let set = context.get::<SortedSet>(&words[1])?;
    let found = set.and_then(|set| Some((set.len(), set.rank(&words[2])?)));
    let Some((length, (rank, score))) = found else {
        if with_score {
            reply.null_array()
        } else {
            reply.null()
        }
        return Ok(());
    };
    if with_score {
        reply.array(2);
    }
    reply.integer(match direction {
        Direction::Ascending => rank,
        Direction::Descending => length - 1 - rank,
    } as i64);
    if with_score {
        reply.double(score);
    }
    Ok(())
}
