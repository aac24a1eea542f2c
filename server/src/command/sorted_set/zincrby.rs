//! Job: add to the score of a member; a missing one counts as 0.
//! In: the words `ZINCRBY key increment member`.
//! Out: the new score.
//! Invariant: the score never becomes NaN.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::key_spec::access::{ACCESS, RW, UPDATE};
use crate::command::sorted_set::update::add_reply;
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `ZINCRBY key increment member`
pub const SPEC: Spec = Spec {
    name: "zincrby",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | UPDATE)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::SortedSet,
    since: "1.2.0",
    complexity: "O(log(N)) where N is the number of elements in the sorted set.",
    summary: "Adds to the score of a member of a sorted set.",
    syntax: "key increment member",
    examples: &[
        ("ZINCRBY board 2 one", r#""2""#),
        ("ZINCRBY board -0.5 one", r#""1.5""#),
        ("ZINCRBY board inf one", r#""inf""#),
        ("ZINCRBY board -inf one", "(error) ERR resulting score is not a number (NaN)"),
        ("ZINCRBY board x one", "(error) ERR value is not a valid float"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    add_reply(context, words, true, reply)
}
