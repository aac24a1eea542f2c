//! What the commands of this group share.
//! In: facts and lines. Out: specs and replies.
//! Invariant: the lines of HELP are Redis's; they are part of the protocol as much as error texts
//! are.

use ringlet_protocol::reply::Reply;

use crate::command::spec::{Group, Keys, Run, Spec, flags};

/// Flags of commands for the administrator.
pub const ADMIN: u32 = flags::ADMIN | flags::NOSCRIPT | flags::LOADING | flags::STALE;

/// Flags of commands that write the data to disk.
pub const PERSISTENCE: u32 = flags::ADMIN | flags::NOSCRIPT | flags::NO_ASYNC_LOADING;

/// Flags of HELP and other harmless subcommands.
pub const ALWAYS: u32 = flags::LOADING | flags::STALE;

/// A spec of this group without keys; the rest is for the command's file to say.
pub const fn spec(name: &'static str, arity: i32, flags: u32, run: Run) -> Spec {
    Spec {
        name,
        arity,
        keys: Keys::NONE,
        flags,
        categories: 0,
        group: Group::Server,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "",
        syntax: "",
        examples: &[],
        run,
    }
}

/// Writes the reply of HELP.
pub fn help(reply: &mut Reply<'_>, container: &str, lines: &[&str]) {
    reply.array(lines.len() + 3);
    reply.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    lines.iter().for_each(|line| reply.simple(line));
    reply.simple("HELP");
    reply.simple("    Prints this help.");
}
