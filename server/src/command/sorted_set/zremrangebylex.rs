//! Job: remove the members of a sorted set that lie in a range, where all scores are equal.
//! In: the words `ZREMRANGEBYLEX key min max`.
//! Out: how many were removed.
//! Invariant: an emptied sorted set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{DELETE, RW};
use crate::command::sorted_set::range::member_range;
use crate::command::sorted_set::support::remove_reply;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZREMRANGEBYLEX key min max`
pub const SPEC: Spec = Spec {
    name: "zremrangebylex",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | DELETE)]),
    flags: flags::WRITE,
    categories: 0,
    group: Group::SortedSet,
    since: "2.8.9",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
        number of elements removed by the operation.",
    summary: "Removes the members of a sorted set that lie in a range of members.",
    syntax: "key min max",
    examples: &[
        ("ZADD names 0 ann 0 bob 0 cleo", "(integer) 3"),
        ("ZREMRANGEBYLEX names (ann +", "(integer) 2"),
        ("ZRANGE names 0 -1", r#"1) "ann""#),
        ("ZREMRANGEBYLEX names a b", "(error) ERR min or max not valid string range item"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let range = member_range(&words[2], &words[3])?;
    remove_reply(context, &words[1], |set| set.lex_span(&range), reply)
}
