//! CLUSTER KEYSLOT: the slot of a key.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use ringlet_base::slot::slot;

use super::topology;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLUSTER KEYSLOT key
pub const SPEC: Spec = Spec {
    name: "keyslot",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::STALE,
    categories: 0,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(N) where N is the number of bytes in the key",
    summary: "Returns the hash slot for a key.",
    syntax: "key",
    examples: &[
        ("CLUSTER KEYSLOT a", "(error) ERR This instance has cluster support disabled"),
        (
            "CLUSTER KEYSLOT 1 2 3",
            "(error) ERR wrong number of arguments for 'cluster|keyslot' command",
        ),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    topology::nodes(session.core, session.connection)?;
    reply.integer(i64::from(slot(&words[2])));
    Ok(())
}
