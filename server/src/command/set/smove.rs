//! Job: move a member from one set to another.
//! In: the words `SMOVE source destination member`.
//! Out: 1, or 0 when it is not in the first set.
//! Invariant: the member is in at least one of the sets at any time; an emptied set is deleted.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::Set;

use crate::command::key_spec::access::{ACCESS, DELETE, INSERT, RW};
use crate::command::spec::{CommandResult, Group, KeySpec, Keys, Run, Spec, flags};
use crate::shard::context::Context;

/// `SMOVE source destination member`
pub const SPEC: Spec = Spec {
    name: "smove",
    arity: 4,
    keys: Keys(&[KeySpec::at(1).with(RW | ACCESS | DELETE), KeySpec::at(2).with(RW | INSERT)]),
    flags: flags::WRITE | flags::FAST,
    categories: 0,
    group: Group::Set,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Moves a member from one set to another.",
    syntax: "source destination member",
    examples: &[
        ("SADD one a b", "(integer) 2"),
        ("SMOVE one two a", "(integer) 1"),
        ("SMEMBERS two", r#"1) "a""#),
        ("SMOVE one two x", "(integer) 0"),
        ("SMOVE one one b", "(integer) 1"),
        ("SMOVE missing two a", "(integer) 0"),
    ],
    run: Run::Keys(run),
};

fn run(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (source, destination, member) = (&words[1], &words[2], &words[3]);
    let limits = context.limits();
    let Some(set) = context.get_mut::<Set>(source)? else {
        reply.integer(0);
        return Ok(());
    };
    let found = set.contains(member);
    context.get_mut::<Set>(destination)?;
    if found && source != destination {
        if let Some(set) = context.get_mut::<Set>(source)? {
            set.remove(member);
        }
        context.shrunk(source);
        if context.get_or_create::<Set>(destination)?.insert(member, &limits) {
            context.changed(destination);
        }
    }
    reply.integer(i64::from(found));
    Ok(())
}
