//! CLIENT UNPAUSE: ends CLIENT PAUSE.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Merge, Run, Spec, flags};
use crate::core::Core;
use crate::message::Header;

/// CLIENT UNPAUSE
pub const SPEC: Spec = Spec {
    name: "unpause",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::ADMIN
        | flags::NOSCRIPT
        | flags::LOADING
        | flags::STALE
        | flags::BARRIER
        | flags::WHILE_PAUSED,
    categories: 0,
    group: Group::Connection,
    since: "6.2.0",
    complexity: "O(N) Where N is the number of paused clients",
    summary: "Resumes processing commands from paused clients.",
    syntax: "",
    examples: &[
        ("CLIENT UNPAUSE", "OK"),
        (
            "CLIENT UNPAUSE now",
            "(error) ERR wrong number of arguments for 'client|unpause' command",
        ),
    ],
    run: Run::EveryCore(run, Merge::AllOk),
};

fn run(core: &mut Core, _: &Header, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    core.end_pause();
    reply.ok();
    Ok(())
}
