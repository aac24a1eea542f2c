//! The commands of the group "pubsub": one file and one row each.

mod psubscribe;
mod publish;
mod pubsub_channels;
mod pubsub_command;
mod pubsub_numpat;
mod pubsub_numsub;
mod pubsub_shard;
mod punsubscribe;
mod subscribe;
mod support;
mod unsubscribe;

use super::spec::Spec;

/// The rows.
pub const COMMANDS: &[&Spec] = &[
    &psubscribe::SPEC,
    &publish::SPEC,
    &pubsub_command::SPEC,
    &punsubscribe::SPEC,
    &subscribe::SPEC,
    &unsubscribe::SPEC,
];
