//! PUBSUB CHANNELS: the channels that somebody listens to.

use std::collections::BTreeSet;

use ringlet_base::glob;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_protocol::resp_value::elements;

use crate::command::spec::{CommandResult, Group, Keys, Merge, Run, Spec, flags};
use crate::core::Core;
use crate::message::Header;

/// PUBSUB CHANNELS [pattern]
pub const SPEC: Spec = Spec {
    name: "channels",
    arity: -2,
    keys: Keys::NONE,
    flags: flags::PUBSUB | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::PubSub,
    since: "2.8.0",
    complexity: "O(N) where N is the number of active channels.",
    summary: "Returns the active channels.",
    syntax: "[pattern]",
    examples: &[("PUBSUB CHANNELS", "(empty array)")],
    run: Run::EveryCore(run, Merge::With(merge)),
};

fn run(core: &mut Core, _: &Header, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if words.len() > 3 {
        return Err(super::support::wrong_subcommand(&words[1]));
    }
    let pattern = words.get(2);
    let all = reply.array_deferred();
    let mut count = 0;
    for channel in core.channels.channels() {
        if pattern.is_none_or(|pattern| glob::matches(pattern, channel)) {
            reply.bulk(channel);
            count += 1;
        }
    }
    reply.close(all, count);
    Ok(())
}

/// Each channel once, though listeners may be on several cores.
fn merge(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let all: BTreeSet<&[u8]> = parts.iter().filter_map(|part| elements(part)).flatten().collect();
    reply.array(all.len());
    all.iter().for_each(|channel| reply.raw(channel));
}
