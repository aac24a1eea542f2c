//! Job: wait until replicas have acknowledged the writes before it.
//! In: the words `WAIT numreplicas timeout`.
//! Out: how many have: 0, there are none.
//! Invariant: asking for none answers at once; otherwise the timeout passes.

use ringlet_base::number::parse_i64;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{
    CommandError, CommandResult, Group, Keys, Run, Spec, categories, flags, integer,
};
use crate::shard::blocked::TimeoutReply;
use crate::shard::context::Context;
use crate::shard::kind::ValueType;

/// `WAIT numreplicas timeout`
pub const SPEC: Spec = Spec {
    name: "wait",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::BLOCKING,
    categories: categories::CONNECTION,
    group: Group::Generic,
    since: "3.0.0",
    complexity: "O(1)",
    summary: "Waits until replicas have acknowledged the preceding writes; there are none, so it answers 0.",
    syntax: "numreplicas timeout",
    examples: &[
        ("WAIT 0 0", "(integer) 0"),
        ("WAIT 1 10", "(integer) 0"),
        ("WAIT 1 -1", "(error) ERR timeout is negative"),
        ("WAIT 1 soon", "(error) ERR timeout is not an integer or out of range"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let replicas = integer(&words[1])?;
    let timeout_ms = parse_i64(&words[2])
        .ok_or(CommandError::new("ERR timeout is not an integer or out of range"))?;
    if timeout_ms < 0 {
        return Err(CommandError::new("ERR timeout is negative"));
    }
    if timeout_ms.checked_add(context.now_ms).is_none() {
        return Err(CommandError::new("ERR timeout is out of range"));
    }
    if replicas <= 0 {
        reply.integer(0);
        return Ok(());
    }
    context.block(std::iter::empty(), ValueType::String, timeout_ms, TimeoutReply::Zero, reply);
    Ok(())
}
