//! Job: take members out of the first sorted set that has any; wait when none has.
//! In: the words `BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]`.
//! Out: the key and an array of members with scores, a null array when the time is over.
//! Invariant: keys are looked at in their order; an emptied sorted set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::list::words::{MultiPop, timeout_ms};
use crate::command::sorted_set::support::{End, pop_many};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::blocked::TimeoutReply;
use crate::shard::context::Context;
use crate::shard::kind::ValueType;

/// `BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]`
pub const SPEC: Spec = Spec {
    name: "bzmpop",
    arity: -5,
    keys: Keys(&[KeySpec::counted(2).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE | flags::BLOCKING,
    categories: 0,
    group: Group::SortedSet,
    since: "7.0.0",
    complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of \
        elements in the sorted set, and M being the number of elements popped.",
    summary: "Removes and returns members of the first non-empty sorted set, and waits for \
             one.",
    syntax: "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
    examples: &[
        ("ZADD two 1 a 2 b 3 c", "(integer) 3"),
        (
            "BZMPOP 1 2 one two MIN COUNT 2",
            "1) \"two\"\n2) 1) 1) \"a\"\n      2) \"1\"\n   2) 1) \"b\"\n      2) \"2\"",
        ),
        ("BZMPOP 0.01 1 one MIN", "(nil)"),
        ("BZMPOP -1 1 two MIN", "(error) ERR timeout is negative"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = MultiPop::parse(words, 2, End::parse)?;
    let timeout_ms = timeout_ms(&words[1], context.now_ms)?;
    if !pop_many(context, &request, reply)? {
        let keys = request.keys.iter();
        context.block(keys, ValueType::SortedSet, timeout_ms, TimeoutReply::NullArray, reply);
    }
    Ok(())
}
