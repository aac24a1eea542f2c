//! The commands of the group "server": one file and one row each.

mod bgrewriteaof;
mod bgsave;
mod command;
mod config;
mod dbsize;
mod debug;
mod flushall;
mod flushdb;
mod info;
mod lastsave;
mod latency;
mod lolwut;
mod memory;
mod monitor;
mod replicaof;
mod role;
mod save;
mod shutdown;
mod slowlog;
mod support;
mod swapdb;
mod time;

use super::spec::Spec;

/// The rows.
pub const COMMANDS: &[&Spec] = &[
    &bgrewriteaof::SPEC,
    &bgsave::SPEC,
    &command::SPEC,
    &config::SPEC,
    &dbsize::SPEC,
    &debug::SPEC,
    &flushall::SPEC,
    &flushdb::SPEC,
    &info::SPEC,
    &lastsave::SPEC,
    &latency::SPEC,
    &lolwut::SPEC,
    &memory::SPEC,
    &monitor::SPEC,
    &replicaof::SPEC,
    &replicaof::SLAVEOF,
    &role::SPEC,
    &save::SPEC,
    &shutdown::SPEC,
    &slowlog::SPEC,
    &swapdb::SPEC,
    &time::SPEC,
];
