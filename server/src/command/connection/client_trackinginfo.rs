//! CLIENT TRACKINGINFO: the state of tracking, which is off.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT TRACKINGINFO
pub const SPEC: Spec = Spec {
    name: "trackinginfo",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Returns information about server-assisted client-side caching for the connection.",
    syntax: "",
    examples: &[(
        "CLIENT TRACKINGINFO",
        "1) \"flags\"\n2) 1) \"off\"\n3) \"redirect\"\n4) (integer) -1\n5) \"prefixes\"\n6) (empty array)",
    )],
    run: Run::Session(run),
};

fn run(_: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(1);
    reply.bulk(b"off");
    reply.bulk(b"redirect");
    reply.integer(-1);
    reply.bulk(b"prefixes");
    reply.array(0);
    Ok(())
}
