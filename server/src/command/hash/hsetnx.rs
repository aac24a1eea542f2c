//! Job: set a field of a hash unless it is there.
//! In: the words `HSETNX key field value`.
//! Out: 1 when it was set, otherwise 0.
//! Invariant: an existing field stays as it is.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::key_spec::access::{INSERT, RW};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HSETNX key field value`
pub const SPEC: Spec = Spec {
    name: "hsetnx",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Sets a field of a hash unless the field exists.",
    syntax: "key field value",
    examples: &[
        ("HSETNX user name Ada", "(integer) 1"),
        ("HSETNX user name Grace", "(integer) 0"),
        ("HGET user name", r#""Ada""#),
        ("SET string value", "OK"),
        (
            "HSETNX string field value",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (&words[1], &words[2]);
    let limits = context.limits();
    let hash = context.get_or_create::<Hash>(key)?;
    let is_new = !hash.contains(field);
    if is_new {
        hash.set(field, &words[3], &limits);
        context.changed(key);
    }
    reply.integer(i64::from(is_new));
    Ok(())
}
