//! The commands of the group "list": one file and one row each.

use super::spec::Spec;

mod blmove;
mod blmpop;
mod blpop;
mod brpop;
mod brpoplpush;
mod lindex;
mod linsert;
mod llen;
mod lmove;
mod lmpop;
mod lpop;
mod lpos;
mod lpush;
mod lpushx;
mod lrange;
mod lrem;
mod lset;
mod ltrim;
mod rpop;
mod rpoplpush;
mod rpush;
mod rpushx;

mod support;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod trial;
pub(super) mod words;

/// The rows.
pub const COMMANDS: &[&Spec] = &[
    &blmove::SPEC,
    &blmpop::SPEC,
    &blpop::SPEC,
    &brpop::SPEC,
    &brpoplpush::SPEC,
    &lindex::SPEC,
    &linsert::SPEC,
    &llen::SPEC,
    &lmove::SPEC,
    &lmpop::SPEC,
    &lpop::SPEC,
    &lpos::SPEC,
    &lpush::SPEC,
    &lpushx::SPEC,
    &lrange::SPEC,
    &lrem::SPEC,
    &lset::SPEC,
    &ltrim::SPEC,
    &rpop::SPEC,
    &rpoplpush::SPEC,
    &rpush::SPEC,
    &rpushx::SPEC,
];
