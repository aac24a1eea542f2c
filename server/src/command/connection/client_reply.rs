//! CLIENT REPLY: switches the replies to this connection off and on.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::connection::ReplyMode;
use crate::session::Session;

/// CLIENT REPLY <ON | OFF | SKIP>
pub const SPEC: Spec = Spec {
    name: "reply",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "3.2.0",
    complexity: "O(1)",
    summary: "Instructs the server whether to reply to commands.",
    syntax: "<ON | OFF | SKIP>",
    examples: &[("CLIENT REPLY ON", "OK"), ("CLIENT REPLY maybe", "(error) ERR syntax error")],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mode = &mut session.connection.reply_mode;
    match words[2].to_ascii_uppercase().as_slice() {
        b"ON" => {
            *mode = ReplyMode::On;
            reply.ok();
        }
        // Neither has a reply of its own.
        b"OFF" => *mode = ReplyMode::Off,
        b"SKIP" if *mode == ReplyMode::Off => {}
        b"SKIP" => *mode = ReplyMode::SkipNext,
        _ => return Err(CommandError::SYNTAX),
    }
    Ok(())
}
