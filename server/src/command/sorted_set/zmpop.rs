//! Job: take members out of the first sorted set that has any.
//! In: the words `ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]`.
//! Out: the key and an array of members with scores, a null array when all sorted sets are missing.
//! Invariant: keys are looked at in their order; an emptied sorted set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, DELETE, RW};
use crate::command::list::words::MultiPop;
use crate::command::sorted_set::support::{End, pop_many};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]`
pub const SPEC: Spec = Spec {
    name: "zmpop",
    arity: -4,
    keys: Keys(&[KeySpec::counted(1).with(RW | ACCESS | DELETE)]),
    flags: flags::WRITE,
    categories: 0,
    group: Group::SortedSet,
    since: "7.0.0",
    complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of \
        elements in the sorted set, and M being the number of elements popped.",
    summary: "Removes and returns members of the first non-empty sorted set.",
    syntax: "numkeys key [key ...] <MIN | MAX> [COUNT count]",
    examples: &[
        ("ZADD two 1 a 2 b 3 c", "(integer) 3"),
        ("ZMPOP 2 one two MIN", "1) \"two\"\n2) 1) 1) \"a\"\n      2) \"1\""),
        (
            "ZMPOP 1 two MAX COUNT 5",
            "1) \"two\"\n2) 1) 1) \"c\"\n      2) \"3\"\n   2) 1) \"b\"\n      2) \"2\"",
        ),
        ("ZMPOP 1 two MIN", "(nil)"),
        ("ZMPOP 0 two MIN", "(error) ERR numkeys should be greater than 0"),
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
