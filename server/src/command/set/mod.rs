//! The commands of the group "set": one file and one row each.

use super::spec::Spec;

mod sadd;
mod scard;
mod sdiff;
mod sdiffstore;
mod sinter;
mod sintercard;
mod sinterstore;
mod sismember;
mod smembers;
mod smismember;
mod smove;
mod spop;
mod srandmember;
mod srem;
mod sscan;
mod sunion;
mod sunionstore;

pub(super) mod algebra;
pub(super) mod sampling;
#[cfg(test)]
mod tests;

/// The rows.
pub const COMMANDS: &[&Spec] = &[
    &sadd::SPEC,
    &scard::SPEC,
    &sdiff::SPEC,
    &sdiffstore::SPEC,
    &sinter::SPEC,
    &sintercard::SPEC,
    &sinterstore::SPEC,
    &sismember::SPEC,
    &smembers::SPEC,
    &smismember::SPEC,
    &smove::SPEC,
    &spop::SPEC,
    &srandmember::SPEC,
    &srem::SPEC,
    &sscan::SPEC,
    &sunion::SPEC,
    &sunionstore::SPEC,
];
