//! Job: move the last element of a list to the head of another; wait for one when there is none.
//! In: the words `BRPOPLPUSH source destination timeout`.
//! Out: the element, or a null when the time is over.
//! Invariant: waits on the source only.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, INSERT, RW};
use crate::command::list::support::{End, move_or_wait};
use crate::command::list::words::timeout_ms;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `BRPOPLPUSH source destination timeout`
pub const SPEC: Spec = Spec {
    name: "brpoplpush",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE), KeySpec::at(2).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM | flags::NOSCRIPT | flags::BLOCKING,
    categories: 0,
    group: Group::List,
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Moves the last element of a list to the head of another, or waits for it.",
    syntax: "source destination timeout",
    examples: &[
        ("RPUSH one a b c", "(integer) 3"),
        ("BRPOPLPUSH one two 1", r#""c""#),
        ("LRANGE two 0 -1", r#"1) "c""#),
        ("BRPOPLPUSH missing two 0.01", "(nil)"),
        ("SET text x", "OK"),
        (
            "BRPOPLPUSH text two 0.01",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let timeout_ms = timeout_ms(&words[3], context.now_ms)?;
    move_or_wait(context, (&words[1], End::Right), (&words[2], End::Left), timeout_ms, reply)
}
