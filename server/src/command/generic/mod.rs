//! The commands of the group "generic": one file and one row each.

use super::spec::Spec;

mod copy;
mod del;
mod exists;
mod expire;
mod expireat;
mod expiretime;
mod keys;
mod move_key;
mod object;
mod persist;
mod pexpire;
mod pexpireat;
mod pexpiretime;
mod pttl;
mod randomkey;
mod rename;
mod renamenx;
mod scan;
mod touch;
mod ttl;
mod type_of;
mod unlink;
mod wait;

pub(super) mod cursor;
mod expiry;
mod support;
#[cfg(test)]
mod tests;

/// The rows.
pub const COMMANDS: &[&Spec] = &[
    &copy::SPEC,
    &del::SPEC,
    &exists::SPEC,
    &expire::SPEC,
    &expireat::SPEC,
    &expiretime::SPEC,
    &keys::SPEC,
    &move_key::SPEC,
    &object::SPEC,
    &persist::SPEC,
    &pexpire::SPEC,
    &pexpireat::SPEC,
    &pexpiretime::SPEC,
    &pttl::SPEC,
    &randomkey::SPEC,
    &rename::SPEC,
    &renamenx::SPEC,
    &scan::SPEC,
    &touch::SPEC,
    &ttl::SPEC,
    &type_of::SPEC,
    &unlink::SPEC,
    &wait::SPEC,
];
