//! PUBSUB: the container of the commands that tell who listens.

use crate::command::spec::{CommandResult, Group, Keys, Run, Spec};
use crate::session::Session;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

/// PUBSUB subcommand [argument ...]
pub const SPEC: Spec = Spec {
    name: "pubsub",
    arity: -2,
    keys: Keys::NONE,
    flags: 0,
    categories: 0,
    group: Group::PubSub,
    since: "2.8.0",
    complexity: "Depends on subcommand.",
    summary: "A container for Pub/Sub commands.",
    syntax: "",
    examples: &[],
    run: Run::Subcommands(&[
        &super::pubsub_channels::SPEC,
        &HELP,
        &super::pubsub_numpat::SPEC,
        &super::pubsub_numsub::SPEC,
        &super::pubsub_shard::CHANNELS,
        &super::pubsub_shard::NUMSUB,
    ]),
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    keys: Keys::NONE,
    flags: crate::command::spec::flags::LOADING | crate::command::spec::flags::STALE,
    categories: 0,
    group: Group::PubSub,
    since: "6.2.0",
    complexity: "O(1)",
    summary: "Returns helpful text about the different subcommands.",
    syntax: "",
    examples: &[],
    run: Run::Session(help),
};

fn help(_: &mut Session<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let lines = [
        "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CHANNELS [<pattern>]",
        "    Return the currently active channels matching a <pattern> (default: '*').",
        "NUMPAT",
        "    Return number of subscriptions to patterns.",
        "NUMSUB [<channel> ...]",
        "    Return the number of subscribers for the specified channels, excluding",
        "    pattern subscriptions(default: no channels).",
        "SHARDCHANNELS [<pattern>]",
        "    Return the currently active shard level channels matching a <pattern> (default: '*').",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Return the number of subscribers for the specified shard level channel(s)",
        "HELP",
        "    Prints this help.",
    ];
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.simple(line));
    Ok(())
}
