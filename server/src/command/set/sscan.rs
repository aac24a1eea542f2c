//! Job: walk through a set in steps.
//! In: the words `SSCAN key cursor [MATCH pattern] [COUNT count]`.
//! Out: the cursor of the next step, 0 after the last, and some members.
//! Invariant: a member that stays in the set from the first step to the last is shown at least
//! once.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::generic::cursor::{ScanOptions, parse_cursor, reply_scan};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub const SPEC: Spec = Spec {
    name: "sscan",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::Set,
    since: "2.8.0",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
        calls for the cursor to return back to 0. N is the number of elements inside the \
        collection.",
    summary: "Walks through the members of a set in steps.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    examples: &[
        ("SADD set 1 2 30", "(integer) 3"),
        ("SSCAN set 0", "1) \"0\"\n2) 1) \"1\"\n   2) \"2\"\n   3) \"30\""),
        ("SSCAN set 0 MATCH 3* COUNT 100", "1) \"0\"\n2) 1) \"30\""),
        ("SSCAN missing 0", "1) \"0\"\n2) (empty array)"),
        ("SSCAN set x", "(error) ERR invalid cursor"),
        ("SSCAN set 0 COUNT 0", "(error) ERR syntax error"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(&words[2])?;
    let Some(set) = context.get::<Set>(&words[1])? else {
        reply_scan(reply, |_| (0, 0));
        return Ok(());
    };
    let options = ScanOptions::parse(words.from(3), false)?;
    let mut buffer = itoa::Buffer::new();
    reply_scan(reply, |elements| {
        let mut count = 0;
        let next = set.scan(cursor, options.count, |member| {
            let text = member.text(&mut buffer);
            if options.matches(text) {
                elements.bulk(text);
                count += 1;
            }
        });
        (next, count)
    });
    Ok(())
}
