//! Job: add elements at the tail of a list that is there already.
//! In: the words `RPUSHX key element [element ...]`.
//! Out: the new length, 0 when there is no list.
//! Invariant: no list is made.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{INSERT, RW};
use crate::command::list::support::{End, push_existing};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `RPUSHX key element [element ...]`
pub const SPEC: Spec = Spec {
    name: "rpushx",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::List,
    since: "2.2.0",
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
        called with multiple arguments.",
    summary: "Adds elements at the tail of a list, but only when there is one.",
    syntax: "key element [element ...]",
    examples: &[
        ("RPUSHX list a", "(integer) 0"),
        ("RPUSH list a", "(integer) 1"),
        ("RPUSHX list b c", "(integer) 3"),
        ("LRANGE list 0 -1", "1) \"a\"\n2) \"b\"\n3) \"c\""),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    push_existing(context, words, End::Right, reply)
}
