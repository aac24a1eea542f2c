//! Job: tell when data was last saved.
//! In: the word `LASTSAVE`. Out: seconds since 1970: the server's start, as in a Redis that never
//! saved.
//! Invariant: there are no snapshots, so this never changes.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::spec;
use crate::command::spec::{CommandResult, Run, Spec, categories, flags};
use crate::session::Session;

/// `LASTSAVE`
pub const SPEC: Spec = Spec {
    categories: categories::ADMIN | categories::DANGEROUS,
    summary: "Tells when data was last saved; without snapshots that is the server's start.",
    examples: &[
        ("LASTSAVE 1", "(error) ERR wrong number of arguments for 'lastsave' command"),
        ("COMMAND GETKEYS LASTSAVE", "(error) ERR The command has no key arguments"),
    ],
    ..spec("lastsave", 1, flags::LOADING | flags::STALE | flags::FAST, Run::Session(run))
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(session.core.shared.started_ms / 1000);
    Ok(())
}
