//! Job: read one element of a list by its index.
//! In: the words `LINDEX key index`.
//! Out: the element, null when there is none.
//! Invariant: nothing changes; the index is looked at only when the list is there, as in Redis.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::list::List;

use crate::command::list::support::place;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags, integer};
use crate::shard::context::Context;

/// `LINDEX key index`
pub const SPEC: Spec = Spec {
    name: "lindex",
    arity: 3,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements to traverse to get to the element at \
        index. This makes asking for the first or the last element of the list O(1).",
    summary: "Returns the element of a list at an index, counted from either end.",
    syntax: "key index",
    examples: &[
        ("RPUSH list a b c", "(integer) 3"),
        ("LINDEX list 0", r#""a""#),
        ("LINDEX list -1", r#""c""#),
        ("LINDEX list 3", "(nil)"),
        ("LINDEX list x", "(error) ERR value is not an integer or out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(list) = context.get::<List>(&words[1])? else {
        reply.null();
        return Ok(());
    };
    match place(integer(&words[2])?, list.len()).and_then(|index| list.get(index)) {
        Some(element) => reply.bulk(element),
        None => reply.null(),
    }
    Ok(())
}
