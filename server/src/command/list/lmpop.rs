//! Job: take elements off the first list that has any.
//! In: the words `LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`.
//! Out: the key and an array of elements, a null array when all lists are missing.
//! Invariant: keys are looked at in their order; an emptied list is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::list::support::{End, pop_many};
use crate::command::list::words::MultiPop;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`
pub const SPEC: Spec = Spec {
    name: "lmpop",
    arity: -4,
    keys: Keys(&[KeySpec::counted(1).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE,
    categories: 0,
    group: Group::List,
    since: "7.0.0",
    complexity: "O(N+M) where N is the number of provided keys and M is the number of elements \
        returned.",
    summary: "Removes and returns elements of the first non-empty list.",
    syntax: "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    examples: &[
        ("RPUSH two a b c", "(integer) 3"),
        ("LMPOP 2 one two LEFT", "1) \"two\"\n2) 1) \"a\""),
        ("LMPOP 1 two RIGHT COUNT 5", "1) \"two\"\n2) 1) \"c\"\n   2) \"b\""),
        ("LMPOP 1 two LEFT", "(nil)"),
        ("LMPOP 0 two LEFT", "(error) ERR numkeys should be greater than 0"),
        ("LMPOP 1 two LEFT COUNT 0", "(error) ERR count should be greater than 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = MultiPop::parse(words, 1, End::parse)?;
    if !pop_many(context, &request, reply)? {
        reply.null_array();
    }
    Ok(())
}
