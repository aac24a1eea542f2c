//! Job: move an element from one list to another; wait for one when there is none.
//! In: the words `BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout`.
//! Out: the element, or a null when the time is over.
//! Invariant: waits on the source only; words are checked before anything is moved.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, INSERT, RW};
use crate::command::list::support::{End, move_or_wait};
use crate::command::list::words::timeout_ms;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout`
pub const SPEC: Spec = Spec {
    name: "blmove",
    arity: 6,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE), KeySpec::at(2).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM | flags::NOSCRIPT | flags::BLOCKING,
    categories: 0,
    group: Group::List,
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Moves an element from one list to another, or waits for it.",
    syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
    examples: &[
        ("RPUSH one a b c", "(integer) 3"),
        ("BLMOVE one two LEFT RIGHT 1", r#""a""#),
        ("LRANGE two 0 -1", r#"1) "a""#),
        ("BLMOVE missing two LEFT RIGHT 0.01", "(nil)"),
        ("BLMOVE one two LEFT RIGHT -1", "(error) ERR timeout is negative"),
        ("BLMOVE one two LEFT RIGHT soon", "(error) ERR timeout is not a float or out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (from, to) = (End::parse(&words[3])?, End::parse(&words[4])?);
    let timeout_ms = timeout_ms(&words[5], context.now_ms)?;
    move_or_wait(context, (&words[1], from), (&words[2], to), timeout_ms, reply)
}
