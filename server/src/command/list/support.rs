//! Job: what several list commands do: push at an end, pop from an end, move between lists.
//! In: a context, keys and ends.
//! Out: the changed lists and the replies that show it.
//! Invariant: an element that is popped is in the reply or in another list; an emptied list is
//! deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::limits::Limits;
use ringlet_store::list::List;

use crate::command::list::words::{MultiPop, non_negative, timeout_ms};
use crate::command::spec::{CommandError, CommandResult, is_word};
use crate::shard::blocked::TimeoutReply;
use crate::shard::context::Context;
use crate::shard::kind::ValueType;

/// An end of a list.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

impl End {
    /// Reads `LEFT` or `RIGHT`. Errors: a syntax error for any other word.
    pub fn parse(word: &[u8]) -> Result<End, CommandError> {
        if is_word(word, "LEFT") {
            Ok(End::Left)
        } else if is_word(word, "RIGHT") {
            Ok(End::Right)
        } else {
            Err(CommandError::SYNTAX)
        }
    }

    #[inline]
    fn push(self, list: &mut List, element: &[u8], limits: &Limits) {
        match self {
            End::Left => list.push_front(element, limits),
            End::Right => list.push_back(element, limits),
        }
    }

    fn pop(self, list: &mut List, limits: &Limits) -> Option<Vec<u8>> {
        match self {
            End::Left => list.pop_front(limits),
            End::Right => list.pop_back(limits),
        }
    }

    /// Writes the `count` outermost elements of this end (no more than there are) and removes them.
    fn pop_into(self, list: &mut List, count: usize, limits: &Limits, reply: &mut Reply<'_>) {
        match self {
            End::Left => {
                list.range(0, count).for_each(|element| reply.bulk(element));
                list.remove_range(0, count, limits);
            }
            End::Right => {
                let start = list.len() - count;
                list.range(start, count).rev().for_each(|element| reply.bulk(element));
                list.remove_range(start, count, limits);
            }
        }
    }
}

/// The place that an index names, counted from the tail when it is negative; `None` when it lies
/// outside of a list of `length` elements.
pub fn place(index: i64, length: usize) -> Option<usize> {
    let place = if index < 0 { index + length as i64 } else { index };
    usize::try_from(place).ok().filter(|place| *place < length)
}

/// LPUSH and RPUSH: adds all words from the third on, makes the list if need be, and replies its
/// length.
pub fn push_all(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let limits = context.limits();
    let list = context.get_or_create::<List>(&words[1])?;
    words.from(2).iter().for_each(|element| end.push(list, element, &limits));
    let length = list.len();
    context.changed(&words[1]);
    reply.integer(length as i64);
    Ok(())
}

/// LPUSHX and RPUSHX: as [`push_all`], but makes no list and then replies 0.
pub fn push_existing(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    if context.get_mut::<List>(&words[1])?.is_none() {
        reply.integer(0);
        return Ok(());
    }
    push_all(context, words, end, reply)
}

/// LPOP and RPOP, with or without a count.
pub fn pop_reply(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    name: &str,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let key = &words[1];
    if words.len() > 3 {
        return Err(CommandError::arity(name));
    }
    let count = words.get(2).map(non_negative).transpose()?;
    let limits = context.limits();
    let Some(list) = context.get_mut::<List>(key)? else {
        if count.is_some() {
            reply.null_array()
        } else {
            reply.null()
        }
        return Ok(());
    };
    let taken = count.unwrap_or(1).min(list.len());
    if count.is_some() {
        reply.array(taken);
    }
    if taken > 0 {
        end.pop_into(list, taken, &limits, reply);
        context.shrunk(key);
    }
    Ok(())
}

/// BLPOP and BRPOP: the keys are all words but the first and the last, which is the timeout.
pub fn pop_or_wait(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let keys = words.up_to(words.len() - 1).from(1);
    let timeout_ms = timeout_ms(&words[words.len() - 1], context.now_ms)?;
    let limits = context.limits();
    for key in keys.iter() {
        if let Some(list) = context.get_mut::<List>(key)? {
            reply.array(2);
            reply.bulk(key);
            end.pop_into(list, 1, &limits, reply);
            context.shrunk(key);
            return Ok(());
        }
    }
    context.block(keys.iter(), ValueType::List, timeout_ms, TimeoutReply::NullArray, reply);
    Ok(())
}

/// LMPOP and BLMPOP: pops from the first list there is. Returns false, with nothing written, when
/// there is none.
pub fn pop_many(
    context: &mut Context<'_>,
    request: &MultiPop<'_, End>,
    reply: &mut Reply<'_>,
) -> Result<bool, CommandError> {
    let limits = context.limits();
    for key in request.keys.iter() {
        if let Some(list) = context.get_mut::<List>(key)? {
            let taken = request.count.min(list.len());
            reply.array(2);
            reply.bulk(key);
            reply.array(taken);
            request.end.pop_into(list, taken, &limits, reply);
            context.shrunk(key);
            return Ok(true);
        }
    }
    Ok(false)
}

/// LMOVE and its kin: moves one element and replies it. Returns false, with nothing written, when
/// there is no source. Errors: `WRONGTYPE` for either key, before anything has changed.
pub fn move_reply(
    context: &mut Context<'_>,
    (source, from): (&[u8], End),
    (destination, to): (&[u8], End),
    reply: &mut Reply<'_>,
) -> Result<bool, CommandError> {
    let limits = context.limits();
    if context.get_mut::<List>(source)?.is_none() {
        return Ok(false);
    }
    context.get_mut::<List>(destination)?;
    let Some(list) = context.get_mut::<List>(source)? else { return Ok(false) };
    let Some(element) = from.pop(list, &limits) else { return Ok(false) };
    if source == destination {
        to.push(list, &element, &limits);
    } else {
        to.push(context.get_or_create::<List>(destination)?, &element, &limits);
        context.changed(destination);
    }
    context.shrunk(source);
    reply.bulk(&element);
    Ok(true)
}

/// BLMOVE and BRPOPLPUSH: as [`move_reply`], and waits for the source.
///
/// When the time is over Redis writes a null array, but where waiting is not allowed a plain null.
pub fn move_or_wait(
    context: &mut Context<'_>,
    source: (&[u8], End),
    destination: (&[u8], End),
    timeout_ms: i64,
    reply: &mut Reply<'_>,
) -> CommandResult {
    if move_reply(context, source, destination, reply)? {
        return Ok(());
    }
    if context.caller.may_block {
        let keys = std::iter::once(source.0);
        context.block(keys, ValueType::List, timeout_ms, TimeoutReply::NullArray, reply);
    } else {
        reply.null();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_a_place_from_either_end() {
        assert_eq!(place(0, 3), Some(0));
        assert_eq!(place(2, 3), Some(2));
        assert_eq!(place(3, 3), None);
        assert_eq!(place(-1, 3), Some(2));
        assert_eq!(place(-3, 3), Some(0));
        assert_eq!(place(-4, 3), None);
        assert_eq!(place(i64::MIN, 3), None);
        assert_eq!(place(i64::MAX, 3), None);
        assert_eq!(place(0, 0), None);
    }

    #[test]
    fn only_left_and_right_are_ends() {
        assert_eq!(End::parse(b"left"), Ok(End::Left));
        assert_eq!(End::parse(b"RiGhT"), Ok(End::Right));
        assert_eq!(End::parse(b""), Err(CommandError::SYNTAX));
        assert_eq!(End::parse(b"lef"), Err(CommandError::SYNTAX));
    }
}
