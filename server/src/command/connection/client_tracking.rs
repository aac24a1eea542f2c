//! CLIENT TRACKING: server-assisted client-side caching, which this server does not have: OFF is true
//! already, ON is refused.

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
    ],
    run: Run::Session(run),
};

fn run(_: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if on_or_off(&words[2])? {
        return Err(CommandError::new(
            "ERR client side caching (CLIENT TRACKING) is not supported by this server",
        ));
    }
    reply.ok();
    Ok(())
}
