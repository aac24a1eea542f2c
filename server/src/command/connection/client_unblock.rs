//! CLIENT UNBLOCK: ends the wait of a blocking command from another connection.
//! In: a client's number, and whether its command answers as after a timeout or with an error.
//! Out: 1 when it waited and was let go, 0 otherwise.
//! Invariant: whoever takes the command's claim answers it: it cannot be served as well.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::client_command::unknown_syntax;
use crate::command::spec::{
    CommandError, CommandResult, Group, Keys, Merge, Run, Spec, flags, integer, is_word,
};
use crate::core::Core;
use crate::message::{Header, Work};

/// CLIENT UNBLOCK client-id [TIMEOUT | ERROR]
pub const SPEC: Spec = Spec {
    name: "unblock",
    arity: -3,
    keys: Keys::NONE,
    flags: flags::ADMIN | flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "5.0.0",
    complexity: "O(N) where N is the number of client connections",
    summary: "Unblocks a client blocked by a blocking command from a different connection.",
    syntax: "client-id [TIMEOUT | ERROR]",
    examples: &[
        ("CLIENT UNBLOCK 0", "(integer) 0"),
        ("CLIENT UNBLOCK 0 LATER", "(error) ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    ],
    run: Run::EveryCore(run, Merge::Sum),
};

const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

fn run(core: &mut Core, _: &Header, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let with_error = match words.len() {
        3 => false,
        4 if is_word(&words[3], "TIMEOUT") => false,
        4 if is_word(&words[3], "ERROR") => true,
        4 => {
            return Err(CommandError::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
        _ => return Err(unknown_syntax(words)),
    };
    let id = integer(&words[2])?;
    reply.integer(i64::from(unblock(core, id, with_error)));
    Ok(())
}

fn unblock(core: &mut Core, id: i64, with_error: bool) -> bool {
    let Some(connection) = core.clients.iter().find(|connection| connection.id as i64 == id) else {
        return false;
    };
    let Some(waiting) = &connection.waiting else { return false };
    let Some(on_timeout) = waiting.claim.take_in_vain() else { return false };
    let (origin, version) = (waiting.origin, waiting.version);
    let shards = waiting.shards.clone();
    if with_error {
        core.statistics.count_error(Some(b"UNBLOCKED"));
        core.outbox.write(origin, version, |reply| reply.error(UNBLOCKED));
    } else {
        core.outbox.write(origin, version, |reply| on_timeout.write(reply));
    }
    for shard in shards {
        core.batches.push_work(usize::from(shard), Work::Forget(origin));
    }
    true
}
