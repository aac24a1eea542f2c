//! Job: move the last element of a list to the head of another, or of the same.
//! In: the words `RPOPLPUSH source destination`.
//! Out: the element, null when there is no source list.
//! Invariant: the element is in exactly one of the lists at any time; an emptied source is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, INSERT, RW};
use crate::command::list::support::{End, move_reply};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `RPOPLPUSH source destination`
pub const SPEC: Spec = Spec {
    name: "rpoplpush",
    arity: 3,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE), KeySpec::at(2).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::List,
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Moves the last element of a list to the head of another and returns it.",
    syntax: "source destination",
    examples: &[
        ("RPUSH one a b c", "(integer) 3"),
        ("RPOPLPUSH one two", r#""c""#),
        ("RPOPLPUSH one one", r#""b""#),
        ("LRANGE one 0 -1", "1) \"b\"\n2) \"a\""),
        ("RPOPLPUSH missing two", "(nil)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !move_reply(context, (&words[1], End::Right), (&words[2], End::Left), reply)? {
        reply.null();
    }
    Ok(())
}
