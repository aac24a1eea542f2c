//! Job: replace one element of a list.
//! In: the words `LSET key index element`.
//! Out: OK, or an error when the list or the element is not there.
//! Invariant: the length stays.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::list::List;

use crate::command::list::support::place;
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags, integer};
use crate::shard::context::Context;

/// `LSET key index element`
pub const SPEC: Spec = Spec {
    name: "lset",
    arity: 4,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::DENYOOM,
    categories: 0,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the length of the list. Setting either the first or the last \
        element of the list is O(1).",
    summary: "Replaces the element of a list at an index.",
    syntax: "key index element",
    examples: &[
        ("RPUSH list a b c", "(integer) 3"),
        ("LSET list 0 x", "OK"),
        ("LSET list -1 z", "OK"),
        ("LRANGE list 0 -1", "1) \"x\"\n2) \"b\"\n3) \"z\""),
        ("LSET list 3 y", "(error) ERR index out of range"),
        ("LSET missing 0 y", "(error) ERR no such key"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let limits = context.limits();
    let list = context.get_mut::<List>(key)?.ok_or(CommandError::NO_SUCH_KEY)?;
    let index = place(integer(&words[2])?, list.len()).ok_or(CommandError::INDEX_OUT_OF_RANGE)?;
    list.set(index, &words[3], &limits);
    context.changed(key);
    reply.ok();
    Ok(())
}
