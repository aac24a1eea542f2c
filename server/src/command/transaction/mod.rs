//! The commands of the group "transactions": one file and one row each.

mod discard;
mod exec;
mod multi;
mod unwatch;
mod watch;

use super::spec::Spec;

/// The rows.
pub const COMMANDS: &[&Spec] =
    &[&discard::SPEC, &exec::SPEC, &multi::SPEC, &unwatch::SPEC, &watch::SPEC];
