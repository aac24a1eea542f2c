//! Job: move an element from an end of one list to an end of another, or of the same.
//! In: the words `LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>`.
//! Out: the element, null when there is no source list.
//! Invariant: the element is in exactly one of the lists at any time; an emptied source is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, INSERT, RW};
use crate::command::list::support::{End, move_reply};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>`
pub const SPEC: Spec = Spec {
    name: "lmove",
    arity: 5,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE), KeySpec::at(2).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::List,
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Moves an element from one list to another and returns it.",
    syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
    examples: &[
        ("RPUSH one a b c", "(integer) 3"),
        ("LMOVE one two RIGHT LEFT", r#""c""#),
        ("LMOVE one two LEFT RIGHT", r#""a""#),
        ("LRANGE two 0 -1", "1) \"c\"\n2) \"a\""),
        ("LMOVE two two LEFT RIGHT", r#""c""#),
        ("LRANGE two 0 -1", "1) \"a\"\n2) \"c\""),
        ("LMOVE missing two LEFT RIGHT", "(nil)"),
        ("LMOVE one two UP DOWN", "(error) ERR syntax error"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (from, to) = (End::parse(&words[3])?, End::parse(&words[4])?);
    if !move_reply(context, (&words[1], from), (&words[2], to), reply)? {
        reply.null();
    }
    Ok(())
}
