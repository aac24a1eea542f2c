//! Job: set fields of a hash.
//! In: the words `HMSET key field value [field value ...]`.
//! Out: OK.
//! Invariant: nothing changes when an error is the reply.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::hash::support::set_fields;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HMSET key field value [field value ...]`
pub const SPEC: Spec = Spec {
    name: "hmset",
    arity: -4,
    keys: Keys::FIRST,
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(N) where N is the number of fields",
    summary: "Sets fields of a hash; HSET does the same and says more.",
    syntax: "key field value [field value ...]",
    examples: &[
        ("HMSET user name Ada born 1815", "OK"),
        ("HGET user name", r#""Ada""#),
        ("HMSET user name Ada born", "(error) ERR wrong number of arguments for 'hmset' command"),
        ("SET string value", "OK"),
        (
            "HMSET string field value",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_fields(context, words, SPEC.name)?;
    reply.ok();
    Ok(())
}
