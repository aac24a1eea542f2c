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
const REPEATED_BYTES_MAX: usize = BULK_BYTES_MAX_DEFAULT;

/// Bytes of an element in a reply besides its text: `$0` and two line ends at least.
const FRAME_BYTES: usize = 6;

/// After so many choices the bytes of all are estimated, lest what is refused cost time and memory.
const TRIAL_CHOICES: usize = 16;

/// More than a reply can hold.
const OUT_OF_RANGE: CommandError = CommandError::new("ERR value is out of range");

/// How many random members are wanted.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Sample {
    /// That many different ones, or all.
    Distinct(usize),
    /// Exactly that many, each chosen from all.
    Repeated(usize),
}

impl Sample {
    /// Reads the count: negative for members that may repeat. How many are too many for a reply
    /// only the value can tell: none are when there is none.
    pub fn parse(word: &[u8]) -> Result<Sample, CommandError> {
        let count = symmetric(word)?;
        let magnitude = count.unsigned_abs() as usize;
        Ok(if count >= 0 { Sample::Distinct(magnitude) } else { Sample::Repeated(magnitude) })
    }

    /// Refuses what Redis could not double, for replies of pairs.
    pub fn check_pairs(self) -> Result<(), CommandError> {
        let (Sample::Distinct(count) | Sample::Repeated(count)) = self;
        if count > i64::MAX as usize / 2 { Err(OUT_OF_RANGE) } else { Ok(()) }
    }
}

/// Writes an array by `count` calls of `write`, each of which writes `values` elements and returns
/// the bytes of their texts. Errors: too many bytes, be it as an estimate; then nothing is written.
pub fn write_repeated(
    count: usize,
    values: usize,
    reply: &mut Reply<'_>,
    mut write: impl FnMut(&mut Reply<'_>) -> usize,
) -> Result<(), CommandError> {
    let opened = reply.array_deferred();
    let mut written_bytes = 0;
    for done in 1..=count {
        written_bytes += write(reply) + values * FRAME_BYTES;
        let is_hopeless =
            done == TRIAL_CHOICES && written_bytes > REPEATED_BYTES_MAX / count * TRIAL_CHOICES;
        if is_hopeless || written_bytes > REPEATED_BYTES_MAX {
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
        assert_eq!(Sample::parse(b"-9223372036854775807"), Ok(Sample::Repeated(usize::MAX >> 1)));
        assert_eq!(Sample::parse(b"-4611686018427387903").and_then(Sample::check_pairs), Ok(()));
        assert_eq!(
            Sample::parse(b"-4611686018427387904").and_then(Sample::check_pairs),
            Err(OUT_OF_RANGE)
        );
        assert_eq!(Sample::parse(b"x"), Err(CommandError::NOT_AN_INTEGER));
    }

    #[test]
    fn a_reply_that_would_grow_too_long_is_refused_after_a_few_choices() {
        let mut buffer = ReplyBuffer::default();
        let mut reply = Reply::new(&mut buffer, Version::Resp2);
        for (count, text_bytes) in [(600, 1 << 20), (usize::MAX >> 1, 0)] {
            let mut calls = 0;
            let result = write_repeated(count, 2, &mut reply, |_| {
                calls += 1;
                text_bytes
            });
            assert_eq!((result, calls), (Err(OUT_OF_RANGE), TRIAL_CHOICES));
        }
        let result = write_repeated(500, 1, &mut reply, |_| 1 << 20);
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn a_reply_that_grows_too_long_leaves_nothing_behind() {
        let mut buffer = ReplyBuffer::default();
        let mut reply = Reply::new(&mut buffer, Version::Resp2);
        let mut calls = 0;
        let result = write_repeated(5, 1, &mut reply, |reply| {
            calls += 1;
            reply.bulk(b"x");
            REPEATED_BYTES_MAX / 3
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
