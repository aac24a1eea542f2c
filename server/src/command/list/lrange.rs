//! Job: read a range of a list.
//! In: the words `LRANGE key start stop`.
//! Out: the elements whose indices lie between the two, both included.
//! Invariant: nothing changes; indices past the ends are cut.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::list::List;

use crate::command::list::words::span;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags, integer};
use crate::shard::context::Context;

/// `LRANGE key start stop`
pub const SPEC: Spec = Spec {
    name: "lrange",
    arity: 4,
    keys: Keys::FIRST,
    flags: flags::READONLY,
    categories: 0,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, from \
        nearest end (HEAD or TAIL) for large lists; and N is the number of elements in \
        the specified range.",
    summary: "Returns the elements of a list between two indices.",
    syntax: "key start stop",
    examples: &[
        ("RPUSH list a b c", "(integer) 3"),
        ("LRANGE list 0 0", r#"1) "a""#),
        ("LRANGE list -2 -1", "1) \"b\"\n2) \"c\""),
        ("LRANGE list -100 100", "1) \"a\"\n2) \"b\"\n3) \"c\""),
        ("LRANGE list 5 10", "(empty array)"),
        ("LRANGE missing 0 -1", "(empty array)"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (integer(&words[2])?, integer(&words[3])?);
    let Some(list) = context.get::<List>(&words[1])? else {
        reply.array(0);
        return Ok(());
    };
    let span = span(start, stop, list.len());
    reply.array(span.len());
    list.range(span.start, span.len()).for_each(|element| reply.bulk(element));
    Ok(())
}
