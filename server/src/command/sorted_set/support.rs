//! Job: what several sorted set commands do: write members with scores, pop, remove ranges, store.
//! In: a context, keys and sorted sets.
//! Out: the changed sorted sets and the replies that show it.
//! Invariant: a member that is popped is in the reply; emptied sorted sets are deleted.

use std::ops::Range;

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::{Reply, Version};
use ringlet_store::{Entry, Limits, Object, Removed, SortedSet};

use crate::command::list::words::{MultiPop, non_negative, timeout_ms};
use crate::command::spec::{CommandError, CommandResult, is_word};
use crate::shard::blocked::TimeoutReply;
use crate::shard::context::Context;
use crate::shard::kind::ValueType;

/// An end of a sorted set.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// Where the lowest scores are.
    Min,
    /// Where the highest scores are.
    Max,
}

impl End {
    /// Reads `MIN` or `MAX`. Errors: a syntax error for any other word.
    pub fn parse(word: &[u8]) -> Result<End, CommandError> {
        if is_word(word, "MIN") {
            Ok(End::Min)
        } else if is_word(word, "MAX") {
            Ok(End::Max)
        } else {
            Err(CommandError::SYNTAX)
        }
    }

    /// Gives the `count` outermost members of this end (no more than there are) to `write`, the
    /// outermost first, and removes them.
    fn pop(self, set: &mut SortedSet, count: usize, mut write: impl FnMut(&[u8], f64)) -> Removed {
        let ranks = match self {
            End::Min => 0..count,
            End::Max => set.len() - count..set.len(),
        };
        let members = set.range(ranks.clone());
        match self {
            End::Min => members.for_each(|(member, score)| write(member, score)),
            End::Max => members.rev().for_each(|(member, score)| write(member, score)),
        }
        set.remove_span(ranks)
    }
}

/// Opens an array of `count` members with their scores, for [`write_pair`]: RESP2 has them flat.
pub fn open_pairs(count: usize, reply: &mut Reply<'_>) {
    reply.array(count * values_per_pair(reply.version()));
}

/// How many elements of an array a member with its score takes.
pub fn values_per_pair(version: Version) -> usize {
    if version == Version::Resp2 { 2 } else { 1 }
}

/// Writes a member with its score: an array of two in RESP3, two elements in RESP2.
pub fn write_pair(member: &[u8], score: f64, reply: &mut Reply<'_>) {
    if reply.version() == Version::Resp3 {
        reply.array(2);
    }
    reply.bulk(member);
    reply.double(score);
}

/// Writes an array of members in the order of `pairs`, with scores or without.
pub fn write_members<'s>(
    pairs: impl ExactSizeIterator<Item = (&'s [u8], f64)>,
    with_scores: bool,
    reply: &mut Reply<'_>,
) {
    if with_scores {
        open_pairs(pairs.len(), reply);
        pairs.for_each(|(member, score)| write_pair(member, score, reply));
    } else {
        reply.array(pairs.len());
        pairs.for_each(|(member, _)| reply.bulk(member));
    }
}

/// ZPOPMIN and ZPOPMAX. Without a count the reply is flat in RESP3, too.
pub fn pop_reply(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let key = &words[1];
    if words.len() > 3 {
        return Err(CommandError::SYNTAX);
    }
    let count = words.get(2).map(non_negative).transpose()?;
    let Some(set) = context.get_mut::<SortedSet>(key)?.filter(|_| count != Some(0)) else {
        reply.array(0);
        return Ok(());
    };
    let removed = if let Some(count) = count {
        let taken = count.min(set.len());
        open_pairs(taken, reply);
        end.pop(set, taken, |member, score| write_pair(member, score, reply))
    } else {
        reply.array(2);
        end.pop(set, 1, |member, score| {
            reply.bulk(member);
            reply.double(score);
        })
    };
    note_removal(context, key, removed);
    Ok(())
}

/// BZPOPMIN and BZPOPMAX: the keys are all words but the first and the last, which is the timeout.
pub fn pop_or_wait(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let keys = words.up_to(words.len() - 1).from(1);
    let timeout_ms = timeout_ms(&words[words.len() - 1], context.now_ms)?;
    for key in keys.iter() {
        if let Some(set) = context.get_mut::<SortedSet>(key)? {
            reply.array(3);
            reply.bulk(key);
            let removed = end.pop(set, 1, |member, score| {
                reply.bulk(member);
                reply.double(score);
            });
            note_removal(context, key, removed);
            return Ok(());
        }
    }
    context.block(keys.iter(), ValueType::SortedSet, timeout_ms, TimeoutReply::NullArray, reply);
    Ok(())
}

/// ZMPOP and BZMPOP: pops from the first sorted set there is. Returns false, with nothing written,
/// when there is none.
pub fn pop_many(
    context: &mut Context<'_>,
    request: &MultiPop<'_, End>,
    reply: &mut Reply<'_>,
) -> Result<bool, CommandError> {
    for key in request.keys.iter() {
        if let Some(set) = context.get_mut::<SortedSet>(key)? {
            let taken = request.count.min(set.len());
            reply.array(2);
            reply.bulk(key);
            reply.array(taken);
            let removed = request.end.pop(set, taken, |member, score| {
                reply.array(2);
                reply.bulk(member);
                reply.double(score);
            });
            note_removal(context, key, removed);
            return Ok(true);
        }
    }
    Ok(false)
}

/// ZREMRANGEBYRANK and its kin: removes the ranks that `resolve` names and replies how many.
pub fn remove_reply(
    context: &mut Context<'_>,
    key: &[u8],
    resolve: impl FnOnce(&SortedSet) -> Range<usize>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let mut count = 0;
    if let Some(set) = context.get_mut::<SortedSet>(key)? {
        let ranks = resolve(set);
        let removed = set.remove_span(ranks);
        count = removed.count;
        note_removal(context, key, removed);
    }
    reply.integer(count as i64);
    Ok(())
}

/// Reports what went out of a sorted set, if anything did, and frees what it left in slices.
fn note_removal(context: &mut Context<'_>, key: &[u8], removed: Removed) {
    if let Some(debris) = removed.debris {
        context.keyspace.graveyard.bury_object(debris.into());
    }
    if removed.count > 0 {
        context.shrunk(key);
    }
}

/// A sorted set of these members, in the encoding that fits them.
pub fn collect<'s>(
    pairs: impl ExactSizeIterator<Item = (&'s [u8], f64)> + Clone,
    limits: &Limits,
) -> SortedSet {
    let mut set = SortedSet::new();
    let longest = pairs.clone().map(|(member, _)| member.len()).max().unwrap_or(0);
    set.prepare(pairs.len(), longest, limits);
    for (member, score) in pairs {
        set.insert(member, score, limits);
    }
    set
}

/// Puts a result under a key, whatever was there, and replies how many members it has. An empty
/// result deletes the key.
pub fn store_reply(context: &mut Context<'_>, key: &[u8], set: SortedSet, reply: &mut Reply<'_>) {
    let count = set.len();
    if count == 0 {
        context.remove(key);
    } else {
        context.insert(Entry::object(key, Object::SortedSet(Box::new(set)), None));
    }
    reply.integer(count as i64);
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::reply::ReplyBuffer;
    use ringlet_store::KeyHasher;

    use super::*;

    fn letters() -> SortedSet {
        let pairs: [(&[u8], f64); 4] = [(b"a", 1.0), (b"b", 2.0), (b"c", 3.0), (b"d", 4.0)];
        collect(pairs.into_iter(), &Limits::new(KeyHasher::new([1, 2, 3, 4])))
    }

    fn popped(end: End, count: usize) -> (String, usize) {
        let (mut set, mut popped) = (letters(), String::new());
        let removed = end.pop(&mut set, count, |member, score| {
            popped.push_str(&format!("{}{score} ", char::from(member[0])));
        });
        assert_eq!(removed.count, count);
        (popped, set.len())
    }

    #[test]
    fn the_outermost_members_are_popped_first() {
        assert_eq!(popped(End::Min, 2), ("a1 b2 ".into(), 2));
        assert_eq!(popped(End::Max, 2), ("d4 c3 ".into(), 2));
        assert_eq!(popped(End::Max, 4), ("d4 c3 b2 a1 ".into(), 0));
        assert_eq!(popped(End::Min, 0), (String::new(), 4));
    }

    #[test]
    fn members_with_scores_are_pairs_in_resp3_only() {
        let write = |version, with_scores| {
            let mut buffer = ReplyBuffer::default();
            let (set, mut reply) = (letters(), Reply::new(&mut buffer, version));
            write_members(set.range(1..2), with_scores, &mut reply);
            String::from_utf8(buffer.to_vec()).unwrap()
        };
        assert_eq!(write(Version::Resp2, true), "*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
        assert_eq!(write(Version::Resp3, true), "*1\r\n*2\r\n$1\r\nb\r\n,2\r\n");
        assert_eq!(write(Version::Resp3, false), "*1\r\n$1\r\nb\r\n");
    }

    #[test]
    fn a_collected_set_takes_the_encoding_for_its_members() {
        let limits =
            Limits { zset_max_listpack_entries: 2, ..Limits::new(KeyHasher::new([1, 2, 3, 4])) };
        let pairs: [(&[u8], f64); 3] = [(b"a", 0.0), (b"b", -0.0), (b"c", 1.0)];
        assert_eq!(collect(pairs[..2].iter().copied(), &limits).encoding(), "listpack");
        assert_eq!(collect(pairs.iter().copied(), &limits).encoding(), "skiplist");
        let negative_zero = |set: SortedSet| set.score(b"b").unwrap().is_sign_negative();
        assert!(!negative_zero(collect(pairs[..2].iter().copied(), &limits)));
        assert!(negative_zero(collect(pairs.iter().copied(), &limits)));
    }
}
