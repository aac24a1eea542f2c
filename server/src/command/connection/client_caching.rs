//! CLIENT CACHING: an option of tracking, refused as Redis does when tracking is off.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT CACHING <YES | NO>
pub const SPEC: Spec = Spec {
    name: "caching",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "6.0.0",
    complexity: "O(1)",
    summary: "Instructs the server whether to track the keys in the next request.",
    syntax: "<YES | NO>",
    examples: &[(
        "CLIENT CACHING YES",
        "(error) ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    )],
    run: Run::Session(run),
};

fn run(_: &mut Session<'_>, _: Arguments<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::new(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or \
         OPTOUT mode enabled",
    ))
}
