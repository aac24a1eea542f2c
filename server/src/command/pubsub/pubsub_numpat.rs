//! PUBSUB NUMPAT: how many different patterns somebody listens to.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_protocol::resp_value::elements;

use std::collections::BTreeSet;

use crate::command::spec::{CommandResult, Group, Keys, Merge, Run, Spec, flags};
use crate::core::Core;
use crate::message::Header;

/// PUBSUB NUMPAT
pub const SPEC: Spec = Spec {
    name: "numpat",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::PUBSUB | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::PubSub,
    since: "2.8.0",
    complexity: "O(1)",
    summary: "Returns a count of unique pattern subscriptions.",
    syntax: "",
    examples: &[("PUBSUB NUMPAT", "(integer) 0")],
    run: Run::EveryCore(run, Merge::With(merge)),
};

fn run(core: &mut Core, _: &Header, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let patterns: Vec<_> = core.channels.patterns().collect();
    reply.array(patterns.len());
    patterns.iter().for_each(|pattern| reply.bulk(pattern));
    Ok(())
}

fn merge(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let all: BTreeSet<&[u8]> = parts.iter().filter_map(|part| elements(part)).flatten().collect();
    reply.integer(all.len() as i64);
}
