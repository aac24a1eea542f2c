//! PSUBSCRIBE: listens to all channels that match patterns.

use bytes::Bytes;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{FLAGS, confirm};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec};
use crate::session::Session;

/// PSUBSCRIBE pattern [pattern ...]
pub const SPEC: Spec = Spec {
    name: "psubscribe",
    arity: -2,
    keys: Keys::NONE,
    flags: FLAGS,
    categories: 0,
    group: Group::PubSub,
    since: "2.0.0",
    complexity: "O(N) where N is the number of patterns to subscribe to.",
    summary: "Listens for messages published to channels that match one or more patterns.",
    syntax: "pattern [pattern ...]",
    examples: &[("PSUBSCRIBE n*", "1) \"psubscribe\"\n2) \"n*\"\n3) (integer) 1")],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Session { core, connection, .. } = session;
    for word in words.iter().skip(1) {
        let name = Bytes::copy_from_slice(word);
        if connection.patterns.insert(name.clone()) {
            core.channels.subscribe_pattern(connection, &name);
        }
        confirm(reply, connection, "psubscribe", Some(&name));
    }
    Ok(())
}
