//! Job: add members to a set.
//! In: the words `SADD key member [member ...]`.
//! Out: how many are new.
//! Invariant: a missing key becomes a set; when nothing is new nothing changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::key_spec::access::{INSERT, RW};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SADD key member [member ...]`
pub const SPEC: Spec = Spec {
    name: "sadd",
    arity: -3,
    keys: Keys(&[KeySpec::at(1).with(RW | INSERT)]),
    flags: flags::WRITE | flags::DENYOOM | flags::FAST,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
        called with multiple arguments.",
    summary: "Adds members to a set; makes the set when there is none.",
    syntax: "key member [member ...]",
    examples: &[
        ("SADD set a b", "(integer) 2"),
        ("SADD set b c", "(integer) 1"),
        ("SCARD set", "(integer) 3"),
        ("SET text x", "OK"),
        (
            "SADD text a",
            "(error) WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = &words[1];
    let members = words.from(2);
    let limits = context.limits();
    let set = context.get_or_create::<Set>(key)?;
    set.prepare(&members[0], members.len(), &limits);
    let added = members.iter().filter(|member| set.insert(member, &limits)).count();
    if added > 0 {
        context.changed(key);
    }
    reply.integer(added as i64);
    Ok(())
}
