//! UNSUBSCRIBE: stops listening to channels, or to all.

use bytes::Bytes;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{FLAGS, confirm};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec};
use crate::session::Session;

/// UNSUBSCRIBE [channel [channel ...]]
pub const SPEC: Spec = Spec {
    name: "unsubscribe",
    arity: -1,
    keys: Keys::NONE,
    flags: FLAGS,
    categories: 0,
    group: Group::PubSub,
    since: "2.0.0",
    complexity: "O(N) where N is the number of channels to unsubscribe.",
    summary: "Stops listening to messages posted to channels.",
    syntax: "[channel [channel ...]]",
    examples: &[("UNSUBSCRIBE", "1) \"unsubscribe\"\n2) (nil)\n3) (integer) 0")],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Session { core, connection, .. } = session;
    let names: Vec<Bytes> = if words.len() == 1 {
        connection.channels.iter().cloned().collect()
    } else {
        words.iter().skip(1).map(Bytes::copy_from_slice).collect()
    };
    if names.is_empty() {
        confirm(reply, connection, "unsubscribe", None);
    }
    for name in &names {
        if connection.channels.remove(name) {
            core.channels.unsubscribe(connection.id, name);
        }
        confirm(reply, connection, "unsubscribe", Some(name));
    }
    Ok(())
}
