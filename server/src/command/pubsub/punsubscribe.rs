//! PUNSUBSCRIBE: stops listening to patterns, or to all.

use bytes::Bytes;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{FLAGS, confirm};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec};
use crate::session::Session;

/// PUNSUBSCRIBE [pattern [pattern ...]]
pub const SPEC: Spec = Spec {
    name: "punsubscribe",
    arity: -1,
    keys: Keys::NONE,
    flags: FLAGS,
    categories: 0,
    group: Group::PubSub,
    since: "2.0.0",
    complexity: "O(N) where N is the number of patterns to unsubscribe.",
    summary: "Stops listening to messages published to channels that match one or more patterns.",
    syntax: "[pattern [pattern ...]]",
    examples: &[("PUNSUBSCRIBE", "1) \"punsubscribe\"\n2) (nil)\n3) (integer) 0")],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Session { core, connection, .. } = session;
    let names: Vec<Bytes> = if words.len() == 1 {
        connection.patterns.iter().cloned().collect()
    } else {
        words.iter().skip(1).map(Bytes::copy_from_slice).collect()
    };
    if names.is_empty() {
        confirm(reply, connection, "punsubscribe", None);
    }
    for name in &names {
        if connection.patterns.remove(name) {
            core.channels.unsubscribe_pattern(connection.id, name);
        }
        confirm(reply, connection, "punsubscribe", Some(name));
    }
    Ok(())
}
