//! PUBSUB NUMSUB: how many connections listen to each of the named channels.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_protocol::resp_value::elements;

use crate::command::spec::{CommandResult, Group, Keys, Merge, Run, Spec, flags};
use crate::core::Core;
use crate::gather::integer_of;
use crate::message::Header;

/// PUBSUB NUMSUB [channel [channel ...]]
pub const SPEC: Spec = Spec {
    name: "numsub",
    arity: -2,
    keys: Keys::NONE,
    flags: flags::PUBSUB | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::PubSub,
    since: "2.8.0",
    complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    summary: "Returns a count of subscribers to channels.",
    syntax: "[channel [channel ...]]",
    examples: &[("PUBSUB NUMSUB a", "1) \"a\"\n2) (integer) 0")],
    run: Run::EveryCore(run, Merge::With(merge)),
};

fn run(core: &mut Core, _: &Header, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let channels = words.from(2);
    reply.array(channels.len() * 2);
    for channel in channels.iter() {
        reply.bulk(channel);
        reply.integer(core.channels.listeners(channel) as i64);
    }
    Ok(())
}

fn merge(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let parts: Vec<Vec<&[u8]>> =
        parts.iter().filter_map(|part| elements(part)).map(Iterator::collect).collect();
    let len = parts[0].len();
    reply.array(len);
    for place in (0..len).step_by(2) {
        reply.raw(parts[0][place]);
        reply.integer(parts.iter().map(|part| integer_of(part[place + 1])).sum());
    }
}
