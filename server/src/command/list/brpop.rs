//! Job: take the last element off the first list that has one; wait when none has.
//! In: the words `BRPOP key [key ...] timeout`.
//! Out: the key and the element, or a null array when the time is over.
//! Invariant: keys are looked at in their order; an emptied list is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::list::support::{End, pop_or_wait};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `BRPOP key [key ...] timeout`
pub const SPEC: Spec = Spec {
    name: "brpop",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).to(-2).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::NOSCRIPT | flags::BLOCKING,
    categories: 0,
    group: Group::List,
    since: "2.0.0",
    complexity: "O(N) where N is the number of provided keys.",
    summary: "Removes and returns the last element of the first list that has one, or waits \
             for it.",
    syntax: "key [key ...] timeout",
    examples: &[
        ("RPUSH two a b", "(integer) 2"),
        ("BRPOP one two 1", "1) \"two\"\n2) \"b\""),
        ("BRPOP one 0.01", "(nil)"),
        ("BRPOP two soon", "(error) ERR timeout is not a float or out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_or_wait(context, words, End::Right, reply)
}
