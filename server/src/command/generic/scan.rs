//! Job: walk over the keys of a database, some at a time.
//! In: the words `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`.
//! Out: the next cursor (0 at the end) and keys.
//! Invariant: a key that stays is shown at least once; shards are walked one after the other.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Entry;

use crate::command::generic::cursor::{ScanOptions, parse_cursor, reply_scan};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, categories, flags};
use crate::shard::context::Context;
use crate::shard::kind::ValueType;

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub const SPEC: Spec = Spec {
    name: "scan",
    arity: -2,
    keys: Keys::NONE,
    flags: flags::READONLY | flags::NODE_LOCAL,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "2.8.0",
    complexity: "O(1) for every call, O(N) for a whole walk over N keys",
    summary: "Walks over the keys of the database, some at a time.",
    syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    examples: &[
        ("SCAN 0 COUNT 0", "(error) ERR syntax error"),
        ("SCAN here", "(error) ERR invalid cursor"),
    ],
    run: Run::Shard(run, pick_shard),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(&words[1])?;
    let options = ScanOptions::parse(words.from(2), true)?;
    // A client of the shard's own port is shown this shard only, as on a node of a cluster.
    let (shard, shards) = if context.caller.is_cluster_client {
        (0, 1)
    } else {
        (context.keyspace.shard_index, context.keyspace.shard_count)
    };
    let database = &context.keyspace.databases[context.db];
    reply_scan(reply, |elements| {
        let mut count = 0;
        let next = database.scan(cursor / shards as u64, options.count, |entry| {
            let is_shown = options.matches(entry.key())
                && !entry.is_expired(context.now_ms)
                && options.type_name.is_none_or(|name| is_type(entry, name));
            if is_shown {
                elements.bulk(entry.key());
                count += 1;
            }
        });
        (next_cursor(next, shard, shards), count)
    });
    Ok(())
}

fn is_type(entry: &Entry, name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(ValueType::of(entry).name().as_bytes())
}

/// The shard that a cursor leads to: what is left when the cursor is divided by their number. The
/// quotient is the place on that shard.
fn pick_shard(words: Arguments<'_>, shards: usize) -> usize {
    let cursor = words.get(1).map_or(Ok(0), parse_cursor).unwrap_or(0);
    (cursor % shards as u64) as usize
}

/// The cursor after a step that goes on at `place` of `shard`; place 0 means: this shard is done.
fn next_cursor(place: u64, shard: usize, shards: usize) -> u64 {
    match place {
        0 if shard + 1 == shards => 0,
        0 => shard as u64 + 1,
        place => place * shards as u64 + shard as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::next_cursor;

    #[test]
    fn cursors_visit_every_shard_and_end() {
        assert_eq!(next_cursor(0, 0, 1), 0);
        assert_eq!(next_cursor(7, 0, 1), 7);
        assert_eq!(next_cursor(0, 0, 3), 1);
        assert_eq!(next_cursor(7, 1, 3), 22);
        assert_eq!((22 / 3, 22 % 3), (7, 1));
        assert_eq!(next_cursor(0, 2, 3), 0);
    }
}
