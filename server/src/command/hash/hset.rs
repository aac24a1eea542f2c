//! Job: set fields of a hash.
//! In: the words `HSET key field value [field value ...]`.
//! Out: how many fields are new.
//! Invariant: nothing changes when an error is the reply.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::hash::support::set_fields;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HSET key field value [field value ...]`
pub const SPEC: Spec = Spec {
    name: "hset",
    arity: -4,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(N) where N is the number of fields",
    summary: "Sets fields of a hash; makes the hash when there is none.",
    syntax: "key field value [field value ...]",
    examples: &[
        ("HSET user name Ada born 1815", "(integer) 2"),
        ("HSET user name Grace", "(integer) 0"),
        ("HGET user name", r#""Grace""#),
        ("HSET user name Ada born", "(error) ERR wrong number of arguments for 'hset' command"),
        ("SET string value", "OK"),
        (
            "HSET string field value",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let added = set_fields(context, words, SPEC.name)?;
    reply.integer(added);
    Ok(())
}
