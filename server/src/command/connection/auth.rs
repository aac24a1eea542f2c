//! AUTH: tells the password.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::authentication::{DEFAULT_USER, authenticate};
use crate::command::spec::{CommandError, CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// AUTH [username] password
pub const SPEC: Spec = Spec {
    name: "auth",
    arity: -2,
    keys: Keys::NONE,
    flags: flags::AFTER_OTHERS
        | flags::NOSCRIPT
        | flags::LOADING
        | flags::STALE
        | flags::FAST
        | flags::NO_AUTH
        | flags::ALLOW_BUSY
        | flags::SECRET,
    categories: 0,
    group: Group::Connection,
    since: "1.0.0",
    complexity: "O(N) where N is the number of passwords defined for the user",
    summary: "Authenticates the connection.",
    syntax: "[username] password",
    examples: &[
        ("AUTH default any", "OK"),
        (
            "AUTH any",
            "(error) ERR AUTH <password> called without any password configured for the default \
             user. Are you sure your configuration is correct?",
        ),
        (
            "AUTH nobody any",
            "(error) WRONGPASS invalid username-password pair or user is disabled.",
        ),
        ("AUTH a b c", "(error) ERR syntax error"),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match words.len() {
        2 if session.core.config.password.is_empty() => {
            return Err(CommandError::new(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => authenticate(session, DEFAULT_USER, &words[1])?,
        3 => authenticate(session, &words[1], &words[2])?,
        _ => return Err(CommandError::SYNTAX),
    }
    reply.ok();
    Ok(())
}
