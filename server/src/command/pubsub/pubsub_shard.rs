//! PUBSUB SHARDCHANNELS and SHARDNUMSUB: sharded channels, of which this server has none until it
//! speaks SSUBSCRIBE; the true answer is therefore: no channel, no subscriber.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec, flags};
use crate::session::Session;

/// PUBSUB SHARDCHANNELS [pattern]
pub const CHANNELS: Spec = Spec {
    name: "shardchannels",
    arity: -2,
    keys: Keys::NONE,
    flags: flags::PUBSUB | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::PubSub,
    since: "7.0.0",
    complexity: "O(N) where N is the number of active shard channels.",
    summary: "Returns the active shard channels.",
    syntax: "[pattern]",
    examples: &[("PUBSUB SHARDCHANNELS", "(empty array)")],
    run: Run::Session(channels),
};

/// PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]
pub const NUMSUB: Spec = Spec {
    name: "shardnumsub",
    arity: -2,
    keys: Keys::NONE,
    flags: flags::PUBSUB | flags::LOADING | flags::STALE,
    categories: 0,
    group: Group::PubSub,
    since: "7.0.0",
    complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    summary: "Returns the count of subscribers of shard channels.",
    syntax: "[shardchannel [shardchannel ...]]",
    examples: &[("PUBSUB SHARDNUMSUB a", "1) \"a\"\n2) (integer) 0")],
    run: Run::Session(numsub),
};

fn channels(_: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if words.len() > 3 {
        return Err(super::support::wrong_subcommand(&words[1]));
    }
    reply.array(0);
    Ok(())
}

fn numsub(_: &mut Session<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let channels = words.from(2);
    reply.array(channels.len() * 2);
    for channel in channels.iter() {
        reply.bulk(channel);
        reply.integer(0);
    }
    Ok(())
}
