//! Job: pick a key.
//! In: the words `RANDOMKEY`.
//! Out: the key, null when the database is empty.
//! Invariant: each key of all shards is equally likely.

use ringlet_base::number::parse_f64;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_protocol::resp_value::Value;

use crate::command::spec::{CommandResult, Group, Keys, Merge, Run, Spec, categories, flags};
use crate::shard::context::Context;
use crate::shard::keyspace::Keyspace;

/// `RANDOMKEY`
pub const SPEC: Spec = Spec {
    name: "randomkey",
    arity: 1,
    keys: Keys::NONE,
    flags: flags::READONLY | flags::NODE_LOCAL,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Picks a random key.",
    syntax: "",
    examples: &[("RANDOMKEY", "(nil)"), ("SET key value", "OK"), ("RANDOMKEY", r#""key""#)],
    run: Run::Everywhere(run, Merge::With(pick)),
};

/// Draws that may hit expired keys before the whole shard is searched for one that lives.
const DRAWS_MAX: usize = 100;

fn run(context: &mut Context<'_>, _words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, len) = (draw(context), context.keyspace.databases[context.db].len());
    // Of one shard (or to a client of the shard's own port) this is the reply; of many it is one
    // lot of a draw that `pick` decides.
    if context.keyspace.shard_count > 1 && !context.caller.is_cluster_client {
        reply.array(2);
        let lot = lot(context.keyspace.random.fraction(), len);
        reply.bulk(lot.to_string().as_bytes());
    }
    match key {
        Some(key) => reply.bulk(&key),
        None => reply.null(),
    }
    Ok(())
}

/// A random key of this shard; those found expired are dropped on the way.
fn draw(context: &mut Context<'_>) -> Option<Vec<u8>> {
    let db = context.db;
    for _ in 0..DRAWS_MAX {
        let Keyspace { databases, random, .. } = &mut *context.keyspace;
        let key = databases[db].random(random)?.key().to_vec();
        // As in Redis, to be drawn is no use of a key: its access time stays.
        if context.keyspace.write(db, &key, context.now_ms, true).is_some() {
            return Some(key);
        }
    }
    let mut entries = context.keyspace.databases[db].iter();
    entries.find(|entry| !entry.is_expired(context.now_ms)).map(|entry| entry.key().to_vec())
}

/// A waiting time of a process with `len` events per unit of time: the shard with the smallest one
/// wins, which happens to each with a chance in proportion to its keys. `fraction`: in `0.0..1.0`.
fn lot(fraction: f64, len: usize) -> f64 {
    -(1.0 - fraction).ln() / len as f64
}

/// Picks the key with the smallest lot among the shards that have one.
fn pick(parts: &[&[u8]], reply: &mut Reply<'_>) {
    if let [only] = parts {
        return reply.raw(only);
    }
    let mut best: Option<(f64, Vec<u8>)> = None;
    for part in parts {
        let Ok(Some((Value::Array(fields), _))) = Value::parse(part) else { continue };
        let [Value::Bulk(lot), Value::Bulk(key)] = &fields[..] else { continue };
        let lot = parse_f64(lot).unwrap_or(f64::INFINITY);
        if best.as_ref().is_none_or(|(smallest, _)| lot < *smallest) {
            best = Some((lot, key.clone()));
        }
    }
    match best {
        Some((_, key)) => reply.bulk(&key),
        None => reply.null(),
    }
}

#[cfg(test)]
mod tests {
    use ringlet_base::random::Random;
    use ringlet_protocol::reply::{Reply, ReplyBuffer, Version};

    use super::{draw, lot, pick};
    use crate::command::list::trial::Trial;

    fn picked(parts: &[(f64, Option<&[u8]>)]) -> Vec<u8> {
        let parts: Vec<Vec<u8>> = parts
            .iter()
            .map(|(lot, key)| {
                let mut buffer = ReplyBuffer::new();
                let mut reply = Reply::new(&mut buffer, Version::Resp2);
                reply.array(2);
                reply.bulk(lot.to_string().as_bytes());
                match key {
                    Some(key) => reply.bulk(key),
                    None => reply.null(),
                }
                buffer.to_vec()
            })
            .collect();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut buffer = ReplyBuffer::new();
        pick(&parts, &mut Reply::new(&mut buffer, Version::Resp2));
        buffer.to_vec()
    }

    #[test]
    fn a_drawn_key_keeps_its_access_time() {
        let mut trial = Trial::new(Version::Resp2);
        trial.prepare("SET key value");
        let access = trial.with_context(|context| {
            context.keyspace.accesses.advance(77_000);
            assert_eq!(draw(context).as_deref(), Some(&b"key"[..]));
            context.keyspace.peek(0, b"key", 0).map(|entry| entry.access())
        });
        assert_eq!(access, Some(0));
    }

    #[test]
    fn the_smallest_lot_with_a_key_wins() {
        assert_eq!(picked(&[(0.5, Some(b"a")), (0.25, Some(b"b"))]), b"$1\r\nb\r\n");
        assert_eq!(picked(&[(0.5, Some(b"a")), (0.0, None)]), b"$1\r\na\r\n");
        assert_eq!(picked(&[(f64::INFINITY, Some(b"a")), (0.0, None)]), b"$1\r\na\r\n");
        assert_eq!(picked(&[(0.0, None), (0.0, None)]), b"$-1\r\n");
    }

    #[test]
    fn shards_win_in_proportion_to_their_keys() {
        let seed = 11;
        let mut random = Random::new(seed);
        let wins =
            (0..100_000).filter(|_| lot(random.fraction(), 3) < lot(random.fraction(), 1)).count();
        // 75 000 are expected with a standard deviation of 137.
        assert!((74_000..76_000).contains(&wins), "seed {seed}: {wins}");
    }
}
