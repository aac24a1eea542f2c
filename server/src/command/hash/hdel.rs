//! Job: delete fields of a hash.
//! In: the words `HDEL key field [field ...]`.
//! Out: how many fields were there.
//! Invariant: a hash without fields is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Hash;

use crate::command::key_spec::access::{DELETE, RW};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `HDEL key field [field ...]`
pub const SPEC: Spec = Spec {
    name: "hdel",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(RW | DELETE)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(N) where N is the number of fields to delete",
    summary: "Deletes fields of a hash, and the hash with its last field.",
    syntax: "key field [field ...]",
    examples: &[
        ("HSET user name Ada born 1815", "(integer) 2"),
        ("HDEL user name mail", "(integer) 1"),
        ("HDEL user born", "(integer) 1"),
        ("EXISTS user", "(integer) 0"),
        ("HDEL user born", "(integer) 0"),
        ("SET string value", "OK"),
        (
            "HDEL string field",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let removed = match context.get_mut::<Hash>(key)? {
        Some(hash) => words.from(2).iter().filter(|field| hash.remove(field)).count(),
        None => 0,
    };
    if removed > 0 {
        context.shrunk(key);
    }
    reply.integer(removed as i64);
    Ok(())
}
