//! Job: keep a range of a list and remove all else.
//! In: the words `LTRIM key start stop`.
//! Out: OK.
//! Invariant: a list of which nothing is kept is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::list::List;

use crate::command::key_spec::access::{DELETE, RW};
use crate::command::list::words::span;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags, integer};
use crate::shard::context::Context;

/// `LTRIM key start stop`
pub const SPEC: Spec = Spec {
    name: "ltrim",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | DELETE)]),
    flags: flags::WRITE,
    categories: 0,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements to be removed by the operation.",
    summary: "Removes all elements of a list outside of two indices.",
    syntax: "key start stop",
    examples: &[
        ("RPUSH list a b c d", "(integer) 4"),
        ("LTRIM list 1 -2", "OK"),
        ("LRANGE list 0 -1", "1) \"b\"\n2) \"c\""),
        ("LTRIM list 5 10", "OK"),
        ("EXISTS list", "(integer) 0"),
        ("LTRIM missing 0 1", "OK"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let (start, stop) = (integer(&words[2])?, integer(&words[3])?);
    let limits = context.limits();
    if let Some(list) = context.get_mut::<List>(key)? {
        let span = span(start, stop, list.len());
        list.trim(span.start, span.len(), &limits);
        context.shrunk(key);
    }
    reply.ok();
    Ok(())
}
