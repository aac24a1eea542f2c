//! Job: tell the part that this server plays in replication.
//! In: the word `ROLE`. Out: master, offset 0, no replicas.
//! Invariant: there is no replication, so this never changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::spec;
use crate::command::spec::{CommandResult, Run, Spec, categories, flags};
use crate::shard::context::Context;

const FLAGS: u32 = flags::NOSCRIPT | flags::LOADING | flags::STALE | flags::FAST;

/// `ROLE`
pub const SPEC: Spec = Spec {
    categories: categories::ADMIN | categories::DANGEROUS,
    since: "2.8.12",
    summary: "Tells the server's part in replication: a master without replicas.",
    examples: &[
        ("ROLE", "1) \"master\"\n2) (integer) 0\n3) (empty array)"),
        ("ROLE x", "(error) ERR wrong number of arguments for 'role' command"),
    ],
    ..spec("role", 1, FLAGS, Run::Keys(run))
};

fn run(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(0);
    reply.array(0);
    Ok(())
}
