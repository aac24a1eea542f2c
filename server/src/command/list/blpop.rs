//! Job: take the first element off the first list that has one; wait when none has.
//! In: the words `BLPOP key [key ...] timeout`.
//! Out: the key and the element, or a null array when the time is over.
//! Invariant: keys are looked at in their order; an emptied list is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::list::support::{End, pop_or_wait};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `BLPOP key [key ...] timeout`
pub const SPEC: Spec = Spec {
    name: "blpop",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).to(-2).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::NOSCRIPT | flags::BLOCKING,
    categories: 0,
    group: Group::List,
    since: "2.0.0",
    complexity: "O(N) where N is the number of provided keys.",
    summary: "Removes and returns the first element of the first list that has one, or waits \
             for it.",
    syntax: "key [key ...] timeout",
    examples: &[
        ("RPUSH two a b", "(integer) 2"),
        ("BLPOP one two 1", "1) \"two\"\n2) \"a\""),
        ("BLPOP one 0.01", "(nil)"),
        ("BLPOP two -1", "(error) ERR timeout is negative"),
        ("SET text x", "OK"),
        (
            "BLPOP one text two 1",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_or_wait(context, words, End::Left, reply)
}
