//! Job: keep a range of a sorted set under another key.
//! In: the words `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`.
//! Out: how many members the result has.
//! Invariant: what the destination held is replaced; an empty result deletes it.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::SortedSet;

use crate::command::key_spec::access::{ACCESS, OW, RO, UPDATE};
use crate::command::sorted_set::range::{Dialect, RangeQuery};
use crate::command::sorted_set::support::{collect, store_reply};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub const SPEC: Spec = Spec {
    name: "zrangestore",
    arity: -5,
    keys: Keys(&[KeySpec::at(1).with(OW | UPDATE), KeySpec::at(2).with(RO | ACCESS)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::SortedSet,
    since: "6.2.0",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
        number of elements stored into the destination key.",
    summary: "Stores members of a sorted set within a range.",
    syntax: "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZRANGESTORE top board 0 1 REV", "(integer) 2"),
        ("ZRANGE top 0 -1", "1) \"two\"\n2) \"three\""),
        ("ZRANGESTORE top board 5 9 BYSCORE", "(integer) 0"),
        ("EXISTS top", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let query = RangeQuery::parse(words.from(3), Dialect::Storing)?;
    let limits = context.limits();
    let result = match context.get::<SortedSet>(&words[2])? {
        Some(set) => collect(set.range(query.resolve(set)), &limits),
        None => SortedSet::new(),
    };
    store_reply(context, &words[1], result, reply);
    Ok(())
}
