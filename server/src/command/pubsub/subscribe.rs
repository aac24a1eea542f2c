//! SUBSCRIBE: listens to channels.

use bytes::Bytes;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{FLAGS, confirm};
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec};
use crate::session::Session;

/// SUBSCRIBE channel [channel ...]
pub const SPEC: Spec = Spec {
    name: "subscribe",
    arity: -2,
    keys: Keys::NONE,
    flags: FLAGS,
    categories: 0,
    group: Group::PubSub,
    since: "2.0.0",
    complexity: "O(N) where N is the number of channels to subscribe to.",
    summary: "Listens for messages published to channels.",
    syntax: "channel [channel ...]",
    examples: &[("SUBSCRIBE news", "1) \"subscribe\"\n2) \"news\"\n3) (integer) 1")],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Session { core, connection, .. } = session;
    for word in words.iter().skip(1) {
        let name = Bytes::copy_from_slice(word);
        if connection.channels.insert(name.clone()) {
            core.channels.subscribe(connection, &name);
        }
        confirm(reply, connection, "subscribe", Some(&name));
    }
    Ok(())
}
