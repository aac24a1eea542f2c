//! CLIENT TRACKING: server-assisted client-side caching, which this server does not have: OFF is
//! true already, ON is refused.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::client_command::on_or_off;
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT TRACKING <ON | OFF> [option ...]
pub const SPEC: Spec = Spec {
    name: "tracking",
    arity: -3,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "6.0.0",
    complexity: "O(1). Some options may introduce additional complexity.",
    summary: "Controls server-assisted client-side caching for the connection.",
    syntax: "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
    examples: &[
        ("CLIENT TRACKING OFF", "OK"),
        (
            "CLIENT TRACKING ON",
            "(error) ERR client side caching (CLIENT TRACKING) is not supported by this server",
        ),
        ("CLIENT TRACKING maybe", "(error) ERR syntax error"),
        ("CLIENT TRACKING on off", "(error) ERR syntax error"),
        ("CLIENT TRACKING off BCAST", "OK"),
    ],
    run: Run::Session(run),
};

fn run(_: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let is_on = on_or_off(&words[2])?;
    let mut options = words.from(3).iter();
    while let Some(option) = options.next() {
        match option.to_ascii_uppercase().as_slice() {
            b"BCAST" | b"OPTIN" | b"OPTOUT" | b"NOLOOP" => {}
            b"REDIRECT" | b"PREFIX" => _ = options.next().ok_or(CommandError::SYNTAX)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    if is_on {
        return Err(CommandError::new(
            "ERR client side caching (CLIENT TRACKING) is not supported by this server",
        ));
    }
    reply.ok();
    Ok(())
}
