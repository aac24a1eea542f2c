//! Job: tell the time of the server.
//! In: the word `TIME`. Out: seconds since 1970 and the microseconds of that second.
//! Invariant: it is read for this command, not the time of the loop's pass.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_runtime::clock;

use super::support::spec;
use crate::command::spec::{CommandResult, Run, Spec, flags};
use crate::shard::context::Context;

/// `TIME`
pub const SPEC: Spec = Spec {
    since: "2.6.0",
    summary: "Tells the time of the server: seconds since 1970, and microseconds.",
    examples: &[
        ("TIME 1", "(error) ERR wrong number of arguments for 'time' command"),
        ("COMMAND GETKEYS TIME", "(error) ERR The command has no key arguments"),
    ],
    ..spec("time", 1, flags::LOADING | flags::STALE | flags::FAST, Run::Keys(run))
};

fn run(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_us = clock::wall_clock_us();
    reply.array(2);
    reply.bulk_integer(now_us / 1_000_000);
    reply.bulk_integer(now_us % 1_000_000);
    Ok(())
}
