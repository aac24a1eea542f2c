//! PING: is the server there?

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// PING [message]
pub const SPEC: Spec = Spec {
    name: "ping",
    arity: -1,
    keys: Keys::NONE,
    flags: flags::FAST | flags::WHILE_SUBSCRIBED,
    categories: 0,
    group: Group::Connection,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Returns the server's liveliness response.",
    syntax: "[message]",
    examples: &[
        ("PING", "PONG"),
        ("PING hello", "\"hello\""),
        ("PING a b", "(error) ERR wrong number of arguments for 'ping' command"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if words.len() > 2 {
        return Err(CommandError::arity("ping"));
    }
    let message = words.get(1);
    if session.connection.is_restricted_to_subscriptions() {
        reply.array(2);
        reply.bulk(b"pong");
        reply.bulk(message.unwrap_or_default());
        return Ok(());
    }
    match message {
        None => reply.simple("PONG"),
        Some(message) => reply.bulk(message),
    }
    Ok(())
}
