//! The commands of the group "hash": one file and one row each.

use super::spec::Spec;

mod hdel;
mod hexists;
mod hget;
mod hgetall;
mod hincrby;
mod hincrbyfloat;
mod hkeys;
mod hlen;
mod hmget;
mod hmset;
mod hrandfield;
mod hscan;
mod hset;
mod hsetnx;
mod hstrlen;
mod hvals;

mod support;
#[cfg(test)]
mod tests;

/// The rows.
pub const COMMANDS: &[&Spec] = &[
    &hdel::SPEC,
    &hexists::SPEC,
    &hget::SPEC,
    &hgetall::SPEC,
    &hincrby::SPEC,
    &hincrbyfloat::SPEC,
    &hkeys::SPEC,
    &hlen::SPEC,
    &hmget::SPEC,
    &hmset::SPEC,
    &hrandfield::SPEC,
    &hscan::SPEC,
    &hset::SPEC,
    &hsetnx::SPEC,
    &hstrlen::SPEC,
    &hvals::SPEC,
];
