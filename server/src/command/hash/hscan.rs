//! Job: walk over a hash, some fields at a time.
//! In: the words `HSCAN key cursor [MATCH pattern] [COUNT count]`.
//! Out: the next cursor (0 at the end), fields and values.
//! Invariant: a field that is there all the time is shown at least once.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::generic::cursor::{ScanOptions, parse_cursor, reply_scan};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`
pub const SPEC: Spec = Spec {
    name: "hscan",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Hash,
    since: "2.8.0",
    complexity: "O(1) for every call, O(N) for a whole walk over N fields",
    summary: "Walks over the fields of a hash, some at a time.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    examples: &[
        ("HSET user name Ada born 1815", "(integer) 2"),
        ("HSCAN user 0", "1) \"0\"\n2) 1) \"name\"\n   2) \"Ada\"\n   3) \"born\"\n   4) \"1815\""),
        ("HSCAN user 0 MATCH b*", "1) \"0\"\n2) 1) \"born\"\n   2) \"1815\""),
        ("HSCAN missing 0", "1) \"0\"\n2) (empty array)"),
        ("HSCAN user here", "(error) ERR invalid cursor"),
        ("HSCAN user 0 COUNT 0", "(error) ERR syntax error"),
        ("SET string value", "OK"),
        (
            "HSCAN string 0",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(&words[2])?;
    let Some(hash) = context.get::<Hash>(&words[1])? else {
        reply_scan(reply, |_| (0, 0));
        return Ok(());
    };
    let options = ScanOptions::parse(words.from(3), false)?;
    reply_scan(reply, |elements| {
        let mut count = 0;
        let next = hash.scan(cursor, options.count, |field, value| {
            if options.matches(field) {
                elements.bulk(field);
                elements.bulk(value);
                count += 2;
            }
        });
        (next, count)
    });
    Ok(())
}
