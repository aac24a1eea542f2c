//! Job: take elements off the head of a list.
//! In: the words `LPOP key [count]`.
//! Out: the element; with a count an array of the elements, the first first; null when there is no
//! list.
//! Invariant: an emptied list is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::list::support::{End, pop_reply};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `LPOP key [count]`
pub const SPEC: Spec = Spec {
    name: "lpop",
    arity: -2,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements returned",
    summary: "Removes and returns the first element of a list, or the first few.",
    syntax: "key [count]",
    examples: &[
        ("RPUSH list a b c d", "(integer) 4"),
        ("LPOP list", r#""a""#),
        ("LPOP list 2", "1) \"b\"\n2) \"c\""),
        ("LPOP list 5", r#"1) "d""#),
        ("EXISTS list", "(integer) 0"),
        ("LPOP list", "(nil)"),
        ("LPOP list -1", "(error) ERR value is out of range, must be positive"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_reply(context, words, SPEC.name, End::Left, reply)
}
