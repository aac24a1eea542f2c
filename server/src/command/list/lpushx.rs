//! Job: add elements at the head of a list that is there already.
//! In: the words `LPUSHX key element [element ...]`.
//! Out: the new length, 0 when there is no list.
//! Invariant: no list is made.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{INSERT, RW};
use crate::command::list::support::{End, push_existing};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `LPUSHX key element [element ...]`
pub const SPEC: Spec = Spec {
    name: "lpushx",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::List,
    since: "2.2.0",
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
        called with multiple arguments.",
    summary: "Adds elements at the head of a list, but only when there is one.",
    syntax: "key element [element ...]",
    examples: &[
        ("LPUSHX list a", "(integer) 0"),
        ("LPUSH list a", "(integer) 1"),
        ("LPUSHX list b c", "(integer) 3"),
        ("LRANGE list 0 -1", "1) \"c\"\n2) \"b\"\n3) \"a\""),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    push_existing(context, words, End::Left, reply)
}
