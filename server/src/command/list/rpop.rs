//! Job: take elements off the tail of a list.
//! In: the words `RPOP key [count]`.
//! Out: the element; with a count an array of the elements, the last first; null when there is no
//! list.
//! Invariant: an emptied list is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::list::support::{End, pop_reply};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `RPOP key [count]`
pub const SPEC: Spec = Spec {
    name: "rpop",
    arity: -2,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements returned",
    summary: "Removes and returns the last element of a list, or the last few.",
    syntax: "key [count]",
    examples: &[
        ("RPUSH list a b c d", "(integer) 4"),
        ("RPOP list", r#""d""#),
        ("RPOP list 2", "1) \"c\"\n2) \"b\""),
        ("RPOP list 0", "(empty array)"),
        ("RPOP missing", "(nil)"),
        ("RPOP list x", "(error) ERR value is out of range, must be positive"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_reply(context, words, SPEC.name, End::Right, reply)
}
