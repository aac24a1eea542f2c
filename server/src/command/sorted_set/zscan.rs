//! Job: walk through a sorted set in steps.
//! In: the words `ZSCAN key cursor [MATCH pattern] [COUNT count]`.
//! Out: the cursor of the next step, 0 after the last, and some members, each followed by its
//! score.
//! Invariant: a member that stays in the sorted set from the first step to the last is shown at
//! least once.

use ringlet_base::number::{format_f64, format_f64_in_17_digits};
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::generic::cursor::{ScanOptions, parse_cursor, reply_scan};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub const SPEC: Spec = Spec {
    name: "zscan",
    arity: -3,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::SortedSet,
    since: "2.8.0",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
        calls for the cursor to return back to 0. N is the number of elements inside the \
        collection.",
    summary: "Walks through the members of a sorted set in steps.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    examples: &[
        ("ZADD board 1 one 2 two", "(integer) 2"),
        ("ZSCAN board 0", "1) \"0\"\n2) 1) \"one\"\n   2) \"1\"\n   3) \"two\"\n   4) \"2\""),
        ("ZSCAN board 0 MATCH t* COUNT 100", "1) \"0\"\n2) 1) \"two\"\n   2) \"2\""),
        ("ZSCAN missing 0", "1) \"0\"\n2) (empty array)"),
        ("ZSCAN board x", "(error) ERR invalid cursor"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(&words[2])?;
    let Some(set) = context.get::<SortedSet>(&words[1])? else {
        reply_scan(reply, |_| (0, 0));
        return Ok(());
    };
    let options = ScanOptions::parse(words.from(3), false)?;
    // Redis's listpack holds the text of a score; the scores of its table are printed otherwise.
    let format = if set.encoding() == "listpack" { format_f64 } else { format_f64_in_17_digits };
    reply_scan(reply, |elements| {
        let mut count = 0;
        let next = set.scan(cursor, options.count, |member, score| {
            if options.matches(member) {
                elements.bulk(member);
                // A string in RESP3, too: no double.
                elements.bulk(&format(score));
                count += 2;
            }
        });
        (next, count)
    });
    Ok(())
}
