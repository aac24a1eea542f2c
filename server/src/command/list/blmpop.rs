//! Job: take elements off the first list that has any; wait when none has.
//! In: the words `BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`.
//! Out: the key and an array of elements, a null array when the time is over.
//! Invariant: keys are looked at in their order; an emptied list is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::list::support::{End, pop_many};
use crate::command::list::words::{MultiPop, timeout_ms};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::blocked::TimeoutReply;
use crate::shard::context::Context;
use crate::shard::kind::ValueType;

/// `BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`
pub const SPEC: Spec = Spec {
    name: "blmpop",
    arity: -5,
    keys: Keys(&[KeySpec::counted(2).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::BLOCKING,
    categories: 0,
    group: Group::List,
    since: "7.0.0",
    complexity: "O(N+M) where N is the number of provided keys and M is the number of elements \
        returned.",
    summary: "Removes and returns elements of the first non-empty list, and waits for one.",
    syntax: "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    examples: &[
        ("RPUSH two a b c", "(integer) 3"),
        ("BLMPOP 1 2 one two LEFT COUNT 2", "1) \"two\"\n2) 1) \"a\"\n   2) \"b\""),
        ("BLMPOP 0.01 1 one LEFT", "(nil)"),
        ("BLMPOP -1 1 two LEFT", "(error) ERR timeout is negative"),
        ("BLMPOP 1 0 two LEFT", "(error) ERR numkeys should be greater than 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = MultiPop::parse(words, 2, End::parse)?;
    let timeout_ms = timeout_ms(&words[1], context.now_ms)?;
    if !pop_many(context, &request, reply)? {
        let keys = request.keys.iter();
        context.block(keys, ValueType::List, timeout_ms, TimeoutReply::NullArray, reply);
    }
    Ok(())
}
