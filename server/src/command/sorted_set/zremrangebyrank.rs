//! Job: remove the members of a sorted set whose ranks lie in a range.
//! In: the words `ZREMRANGEBYRANK key start stop`.
//! Out: how many were removed.
//! Invariant: an emptied sorted set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{DELETE, RW};
use crate::command::list::words::span;
use crate::command::sorted_set::support::remove_reply;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags, integer};
use crate::shard::context::Context;

/// `ZREMRANGEBYRANK key start stop`
pub const SPEC: Spec = Spec {
    name: "zremrangebyrank",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | DELETE)]),
    flags: flags::WRITE,
    categories: 0,
    group: Group::SortedSet,
    since: "2.0.0",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
        number of elements removed by the operation.",
    summary: "Removes the members of a sorted set whose ranks lie in a range.",
    syntax: "key start stop",
    examples: &[
        ("ZADD board 1 one 2 two 3 three", "(integer) 3"),
        ("ZREMRANGEBYRANK board 0 1", "(integer) 2"),
        ("ZRANGE board 0 -1", r#"1) "three""#),
        ("ZREMRANGEBYRANK board 5 9", "(integer) 0"),
        ("ZREMRANGEBYRANK board x 1", "(error) ERR value is not an integer or out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (integer(&words[2])?, integer(&words[3])?);
    remove_reply(context, &words[1], |set| span(start, stop, set.len()), reply)
}
