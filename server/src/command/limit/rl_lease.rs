//! Job: grant a holder a part of a token bucket that many holders share.
//! In: the words `RL.LEASE key burst count period_ms holder sequence held returned want ttl_ms`.
//! Out: six integers: granted, remaining, retry_ms, now_ms, epoch_ms, holders.
//! Invariant: nothing changes when an error is the reply, or for a request that came late.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use super::lease::{Answer, Bucket, Limit, NUMBER_MAX, Request, number};
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `RL.LEASE key burst count period_ms holder sequence held returned want ttl_ms`
pub const SPEC: Spec = Spec {
    name: "rl.lease",
    arity: 11,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::Limit,
    since: "Ringlet 0.1.0",
    complexity: "O(N) where N is the number of holders",
    summary: "Grants a holder up to `want` tokens of a bucket that it shares with others: `burst` \
              of them, and `count` more in each `period_ms`. It may spend them on its own for \
              `ttl_ms`; then they count as spent. Of those it had before it still has `held` and \
              gives `returned` back; the others are spent. A request whose `sequence` is not \
              larger than the holder's last one changes nothing and grants nothing. Replies: \
              granted; remaining; the milliseconds until one is free, if none is; the server's \
              time; the time at which the key was made; the number of holders. The key is a hash \
              and expires when nothing is owed. Use another key when the limit changes.",
    syntax: "key burst count period_ms holder sequence held returned want ttl_ms",
    examples: &[
        ("RL.LEASE short 10 1", "(error) ERR wrong number of arguments for 'rl.lease' command"),
        (
            "RL.LEASE bucket 0 1 60000 a 1 0 0 4 1000",
            "(error) ERR burst must be an integer from 1 to 9007199254740991",
        ),
        (
            "RL.LEASE bucket 10 1 60000 a 1 0 0 4 86400001",
            "(error) ERR ttl_ms must be an integer from 1 to 86400000",
        ),
        ("HSET bucket debt none", "(integer) 1"),
        (
            "RL.LEASE bucket 10 1 60000 a 1 0 0 4 1000",
            "(error) ERR the key holds no lease: field 'debt' is malformed",
        ),
        ("SET string value", "OK"),
        (
            "RL.LEASE string 10 1 60000 a 1 0 0 4 1000",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

const HOLDER_BYTES_MAX: usize = 64;
const TTL_MAX_MS: u64 = 86_400_000;

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, holder) = (&words[1], &words[5]);
    let limit = Limit {
        burst: integer(&words[2], "burst", 1, NUMBER_MAX)?,
        count: integer(&words[3], "count", 1, NUMBER_MAX)?,
        period_ms: integer(&words[4], "period_ms", 1, NUMBER_MAX)?,
    };
    if limit.burst > NUMBER_MAX / limit.period_ms {
        let text = format!("ERR burst times period_ms must be at most {NUMBER_MAX}");
        return Err(CommandError::with(text));
    }
    if holder.is_empty() || holder.len() > HOLDER_BYTES_MAX || holder.contains(&b' ') {
        let text = format!("ERR holder must be 1 to {HOLDER_BYTES_MAX} bytes without spaces");
        return Err(CommandError::with(text));
    }
    let request = Request {
        sequence: integer(&words[6], "sequence", 1, NUMBER_MAX)?,
        held: integer(&words[7], "held", 0, NUMBER_MAX)?,
        returned: integer(&words[8], "returned", 0, NUMBER_MAX)?,
        want: integer(&words[9], "want", 0, NUMBER_MAX)?,
        ttl_ms: integer(&words[10], "ttl_ms", 1, TTL_MAX_MS)?,
    };
    let now_ms = u64::try_from(context.now_ms).unwrap_or(0);
    let limits = context.limits();
    let bucket = match context.get_mut::<Hash>(key)? {
        Some(hash) => Bucket::read(hash.iter())?,
        None => Bucket::new(now_ms),
    };
    let (answer, change) = bucket.lease(&limit, holder, &request, now_ms);
    if let Some(change) = change {
        let hash = context.get_or_create::<Hash>(key)?;
        for (field, value) in change.fields(holder) {
            hash.set(&field, value.as_bytes(), &limits);
        }
        for field in &change.expired {
            hash.remove(field);
        }
        // This reports the change of the fields, too.
        context.set_expiry(key, Some(change.expiry_ms as i64));
    }
    reply.array(6);
    let Answer { granted, remaining, retry_ms, now_ms, epoch_ms, holders } = answer;
    for number in [granted, remaining, retry_ms, now_ms, epoch_ms, holders] {
        reply.integer(number as i64);
    }
    Ok(())
}

/// A number within bounds, or the error that names it.
fn integer(word: &[u8], name: &str, least: u64, most: u64) -> Result<u64, CommandError> {
    number(word).filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        CommandError::with(format!("ERR {name} must be an integer from {least} to {most}"))
    })
}
