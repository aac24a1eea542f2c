//! Job: what SRANDMEMBER, ZRANDMEMBER and SPOP have in common: counts, and the bound of replies.
//! In: the count of a command; a shard's source of random choices.
//! Out: how to choose; a source that a command can use while it holds a value.
//! Invariant: choices that may repeat never write more than [`REPEATED_BYTES_MAX`] by much.

use ringlet_base::limits::BULK_BYTES_MAX_DEFAULT;
use ringlet_protocol::reply::Reply;
use ringlet_store::Random;

use crate::command::list::words::symmetric;
use crate::command::spec::CommandError;
use crate::shard::context::Context;

/// Bytes that a reply with repeated members may have. Redis has no bound here: a client that asks
/// for 2^62 members makes it run out of memory.
pub const REPEATED_BYTES_MAX: usize = BULK_BYTES_MAX_DEFAULT;

/// Bytes of the shortest element in a reply: `$0`, an empty string, and two line ends.
const ELEMENT_BYTES_MIN: usize = 6;

/// More than a reply can hold.
pub const OUT_OF_RANGE: CommandError = CommandError::new("ERR value is out of range");

/// How many random members are wanted.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Sample {
    /// That many different ones, or all.
    Distinct(usize),
    /// Exactly that many, each chosen from all.
    Repeated(usize),
}

impl Sample {
    /// Reads the count: negative for members that may repeat.
    pub fn parse(word: &[u8]) -> Result<Sample, CommandError> {
        let count = symmetric(word)?;
        let magnitude = count.unsigned_abs() as usize;
        if count >= 0 {
            Ok(Sample::Distinct(magnitude))
        } else if magnitude <= REPEATED_BYTES_MAX / ELEMENT_BYTES_MIN {
            Ok(Sample::Repeated(magnitude))
        } else {
            Err(OUT_OF_RANGE)
        }
    }
}

/// Writes an array by `count` calls of `write`, each of which writes `values` elements and returns
/// the bytes it wrote. Errors: too many bytes; then nothing is written.
pub fn write_repeated(
    count: usize,
    values: usize,
    reply: &mut Reply<'_>,
    mut write: impl FnMut(&mut Reply<'_>) -> usize,
) -> Result<(), CommandError> {
    let opened = reply.array_deferred();
    let mut written_bytes = 0;
    for _ in 0..count {
        written_bytes += write(reply);
        if written_bytes > REPEATED_BYTES_MAX {
            reply.abandon(opened);
            return Err(OUT_OF_RANGE);
        }
    }
    reply.close(opened, count * values);
    Ok(())
}

/// A source of random choices of its own for one command, seeded by the shard's.
pub fn fork_random(context: &mut Context<'_>) -> Random {
    Random::new(context.keyspace.random.next_u64())
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::reply::{ReplyBuffer, Version};

    use super::*;

    #[test]
    fn the_sign_of_a_count_says_whether_members_may_repeat() {
        assert_eq!(Sample::parse(b"3"), Ok(Sample::Distinct(3)));
        assert_eq!(Sample::parse(b"0"), Ok(Sample::Distinct(0)));
        assert_eq!(Sample::parse(b"-3"), Ok(Sample::Repeated(3)));
        assert_eq!(Sample::parse(b"9223372036854775807"), Ok(Sample::Distinct(usize::MAX >> 1)));
        assert_eq!(Sample::parse(b"-9223372036854775807"), Err(OUT_OF_RANGE));
        assert_eq!(Sample::parse(b"x"), Err(CommandError::NOT_AN_INTEGER));
    }

    #[test]
    fn a_reply_that_grows_too_long_leaves_nothing_behind() {
        let mut buffer = ReplyBuffer::default();
        let mut reply = Reply::new(&mut buffer, Version::Resp2);
        let mut calls = 0;
        let result = write_repeated(5, 1, &mut reply, |reply| {
            calls += 1;
            reply.bulk(b"x");
            REPEATED_BYTES_MAX / 2
        });
        assert_eq!((result, calls), (Err(OUT_OF_RANGE), 3));
        assert_eq!(
            write_repeated(2, 1, &mut reply, |reply| {
                reply.bulk(b"x");
                1
            }),
            Ok(())
        );
        assert_eq!(buffer.to_vec(), b"*2\r\n$1\r\nx\r\n$1\r\nx\r\n");
    }
}
