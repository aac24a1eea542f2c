//! Checks that wait for answers.
//!
//! Job: keep what a check has learnt so far. In: parts. Out: the check when its last part is known.
//! Invariant: a number is never used twice, so a late answer finds nothing.

use ahash::AHashMap;

use super::part::Asked;
use crate::request::Action;

/// Checks of one core that may wait. More are answered as overload.
pub const PENDING_MAX: usize = 65_536;

/// A check that waits.
#[derive(Debug)]
pub struct Pending {
    /// For its owner.
    pub ticket: u64,
    /// Take or peek.
    pub action: Action,
    /// Its parts.
    pub parts: Vec<Asked>,
    /// How many parts are not known.
    pub missing: usize,
    /// For the verdict.
    pub unlimited: Vec<usize>,
}

/// All that wait on one core.
#[derive(Debug, Default)]
pub struct PendingChecks {
    checks: AHashMap<u64, Pending>,
    last: u64,
}

impl PendingChecks {
    /// The number that the next check gets.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// Whether no more may wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.checks.len() >= PENDING_MAX
    }

    /// Checks that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.checks.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    /// Adds a check under `next_number`.
    pub fn add(&mut self, pending: Pending) {
        self.last += 1;
        self.checks.insert(self.last, pending);
    }

    /// A check.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut Pending> {
        self.checks.get_mut(&number)
    }

    /// Takes a check that waits for nothing any more.
    pub fn take(&mut self, number: u64) -> Option<Pending> {
        self.checks.remove(&number)
    }
}
