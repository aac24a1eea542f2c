//! CLIENT GETNAME: the name that CLIENT SETNAME gave to this connection.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// CLIENT GETNAME
pub const SPEC: Spec = Spec {
    name: "getname",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::NOSCRIPT | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::Connection,
    since: "2.6.9",
    complexity: "O(1)",
    summary: "Returns the name of the connection.",
    syntax: "",
    examples: &[
        ("CLIENT GETNAME", "(nil)"),
        ("CLIENT SETNAME me", "OK"),
        ("CLIENT GETNAME", "\"me\""),
    ],
    run: Run::Session(run),
};

fn run(session: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match &*session.connection.name {
        "" => reply.null(),
        name => reply.bulk(name.as_bytes()),
    }
    Ok(())
}
