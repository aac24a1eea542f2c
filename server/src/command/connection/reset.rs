//! RESET: makes the connection as it was when it came.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::{Reply, Version};

use super::authentication::set_authenticated;
use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::connection::ReplyMode;
use crate::session::Session;

/// RESET
pub const SPEC: Spec = Spec {
    name: "reset",
    arity: 1,
    keys: Keys::NONE,
    flags: flags::AFTER_OTHERS
        | flags::NOSCRIPT
        | flags::LOADING
        | flags::STALE
        | flags::FAST
        | flags::NO_AUTH
        | flags::ALLOW_BUSY
        | flags::TRANSACTION
        | flags::WHILE_SUBSCRIBED,
    categories: 0,
    group: Group::Connection,
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Resets the connection.",
    syntax: "",
    examples: &[
        ("MULTI", "OK"),
        ("RESET", "RESET"),
        ("EXEC", "(error) ERR EXEC without MULTI"),
        ("RESET now", "(error) ERR wrong number of arguments for 'reset' command"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let is_open = session.core.config.password.is_empty();
    set_authenticated(session, is_open);
    let Session { core, connection, .. } = session;
    if connection.is_monitor {
        core.stop_monitor(connection);
    }
    connection.transaction = None;
    core.end_connection_watch(connection);
    core.channels.forget(connection);
    connection.channels.clear();
    connection.patterns.clear();
    connection.db = 0;
    connection.version = Version::Resp2;
    connection.name = Box::from("");
    connection.is_readonly = false;
    connection.no_evict = false;
    connection.no_touch = false;
    // The library's name stays, for it is still the same library; so does a CLIENT REPLY SKIP that
    // is for this command.
    if connection.reply_mode == ReplyMode::Off {
        connection.reply_mode = ReplyMode::On;
    }
    reply.simple("RESET");
    Ok(())
}
