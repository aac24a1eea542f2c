//! The commands of the group "string": one file and one row each.

use super::spec::Spec;

mod append;
mod decr;
mod decrby;
mod get;
mod getdel;
mod getex;
mod getrange;
mod getset;
mod incr;
mod incrby;
mod incrbyfloat;
mod lcs;
mod mget;
mod mset;
mod msetnx;
mod psetex;
mod set;
mod setex;
mod setnx;
mod setrange;
mod strlen;
mod substr;

pub(super) mod long_double;
pub(super) mod support;
#[cfg(test)]
mod tests;

/// The rows.
pub const COMMANDS: &[&Spec] = &[
    &append::SPEC,
    &decr::SPEC,
    &decrby::SPEC,
    &get::SPEC,
    &getdel::SPEC,
    &getex::SPEC,
    &getrange::SPEC,
    &getset::SPEC,
    &incr::SPEC,
    &incrby::SPEC,
    &incrbyfloat::SPEC,
    &lcs::SPEC,
    &mget::SPEC,
    &mset::SPEC,
    &msetnx::SPEC,
    &psetex::SPEC,
    &set::SPEC,
    &setex::SPEC,
    &setnx::SPEC,
    &setrange::SPEC,
    &strlen::SPEC,
    &substr::SPEC,
];
