//! Job: add members with scores to a sorted set, or change their scores, under conditions.
//! In: the words `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`.
//! Out: how many members are new (with CH: or changed); with INCR the new score, or null when the
//! conditions forbid it.
//! Invariant: all words are checked before anything changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::sorted_set::update::add_reply;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`
pub const SPEC: Spec = Spec {
    name: "zadd",
    arity: -4,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted \
        set.",
    summary: "Adds members with scores to a sorted set, or changes their scores.",
    syntax: "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
    examples: &[
        ("ZADD board 1 one 2 two", "(integer) 2"),
        ("ZADD board CH 3 two 4 four", "(integer) 2"),
        ("ZADD board GT 2 two", "(integer) 0"),
        ("ZADD board INCR 1.5 one", r#""2.5""#),
        ("ZADD board NX INCR 1 one", "(nil)"),
        (
            "ZRANGE board 0 -1 WITHSCORES",
            "1) \"one\"\n2) \"2.5\"\n3) \"two\"\n4) \"3\"\n5) \"four\"\n6) \"4\"",
        ),
        (
            "ZADD board NX XX 1 one",
            "(error) ERR XX and NX options at the same time are not compatible",
        ),
        ("ZADD board x one", "(error) ERR value is not a valid float"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    add_reply(context, words, false, reply)
}
