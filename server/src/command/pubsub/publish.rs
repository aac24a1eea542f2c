//! PUBLISH: gives a message to all who listen to a channel, on any core.

use bytes::Bytes;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use crate::command::spec::{CommandResult, Group, Keys, Merge, Run, Spec, flags};
use crate::core::Core;
use crate::message::Header;

/// PUBLISH channel message
pub const SPEC: Spec = Spec {
    name: "publish",
    arity: 3,
    keys: Keys::NONE,
    flags: flags::PUBSUB | flags::LOADING | flags::STALE | flags::FAST | flags::MAY_REPLICATE,
    categories: 0,
    group: Group::PubSub,
    since: "2.0.0",
    complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M \
                 is the total number of subscribed patterns (by any client).",
    summary: "Posts a message to a channel.",
    syntax: "channel message",
    examples: &[("PUBLISH news hello", "(integer) 0")],
    run: Run::EveryCore(run, Merge::Sum),
};

fn run(core: &mut Core, _: &Header, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let message = words.shared(2).cloned().unwrap_or_else(|| Bytes::copy_from_slice(&words[2]));
    let receivers = core.publish_here(&words[1], &message);
    reply.integer(receivers as i64);
    Ok(())
}
