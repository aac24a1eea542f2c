//! Job: add elements at the tail of a list, one after the other.
//! In: the words `RPUSH key element [element ...]`.
//! Out: the new length.
//! Invariant: a missing key becomes a list; a key of another type stays as it is.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{INSERT, RW};
use crate::command::list::support::{End, push_all};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `RPUSH key element [element ...]`
pub const SPEC: Spec = Spec {
    name: "rpush",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
        called with multiple arguments.",
    summary: "Adds elements at the tail of a list; makes the list when there is none.",
    syntax: "key element [element ...]",
    examples: &[
        ("RPUSH list a b c", "(integer) 3"),
        ("LRANGE list 0 -1", "1) \"a\"\n2) \"b\"\n3) \"c\""),
        ("SET text x", "OK"),
        (
            "RPUSH text a",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    push_all(context, words, End::Right, reply)
}
