//! Job: stay a master, or refuse to become a replica.
//! In: the words `REPLICAOF NO ONE` or `REPLICAOF host port`. Out: OK, or an error that says why.
//! Invariant: nobody is told that this server follows another one.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::spec;
use crate::command::spec::{CommandError, CommandResult, Run, Spec, flags, is_word};
use crate::shard::context::Context;

const FLAGS: u32 = flags::ADMIN | flags::NOSCRIPT | flags::NO_ASYNC_LOADING | flags::STALE;

/// `REPLICAOF host port | NO ONE`
pub const SPEC: Spec = Spec {
    since: "5.0.0",
    summary: "Makes the server a master, which it is; replication is not supported yet.",
    syntax: "host port | NO ONE",
    examples: &[
        ("REPLICAOF NO ONE", "OK"),
        ("REPLICAOF 127.0.0.1 6380", "(error) ERR replication is not supported yet"),
    ],
    ..spec("replicaof", 3, FLAGS, Run::Keys(run))
};

/// `SLAVEOF host port | NO ONE`: the older name.
pub const SLAVEOF: Spec = Spec {
    name: "slaveof",
    since: "1.0.0",
    summary: "The older name of REPLICAOF.",
    examples: &[
        ("SLAVEOF NO ONE", "OK"),
        ("SLAVEOF 127.0.0.1 6380", "(error) ERR replication is not supported yet"),
    ],
    ..SPEC
};

fn run(_: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !(is_word(&words[1], "NO") && is_word(&words[2], "ONE")) {
        return Err(CommandError::new("ERR replication is not supported yet"));
    }
    reply.ok();
    Ok(())
}
