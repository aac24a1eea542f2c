//! The commands of the group "limit", which Redis does not have: one file and one row each.

use super::spec::Spec;

mod cl_throttle;
mod gcra;
mod lease;
mod rl_lease;

#[cfg(test)]
mod lease_tests;
#[cfg(test)]
mod tests;

/// The rows.
pub const COMMANDS: &[&Spec] = &[&cl_throttle::SPEC, &rl_lease::SPEC];
