//! Who shares the store.
//!
//! Job: tell the store that this node is there, and count those that are. In: the store's time, counts.
//! Out: commands, a number of nodes. Invariant: a smaller count is believed only when no larger one has
//! come for `BELIEF_MS`: just after the store lost its memory not everybody has come back yet, and too
//! small a number would give each node too large a share.

use std::collections::VecDeque;

use super::words::command;
use crate::time::NS_PER_MS;

/// Between two signs of life.
pub(super) const INTERVAL_MS: u64 = 1000;
/// A node that has given no sign for so long is taken for gone.
const GONE_MS: u64 = 10_000;
const BELIEF_MS: u64 = 10_000;
/// So long a node's own record outlives the last of them all.
const KEY_MS: u64 = 2 * GONE_MS;

/// Commands of one sign of life; the answer to number [`COUNT_AT`] is the number of members.
pub(super) const COMMANDS: usize = 4;
pub(super) const COUNT_AT: usize = 2;

/// The count as it is believed.
#[derive(Debug)]
pub(super) struct Members {
    nodes_min: u64,
    /// When and how many; none is older than the belief but for the newest.
    counts: VecDeque<(u64, u64)>,
}

impl Members {
    pub(super) fn new(nodes_min: u64) -> Self {
        Self { nodes_min: nodes_min.max(1), counts: VecDeque::new() }
    }

    /// Takes a count.
    pub(super) fn learn(&mut self, nodes: u64, now_ns: u64) {
        let since_ns = now_ns.saturating_sub(BELIEF_MS * NS_PER_MS);
        // What is not larger than the news will never again be the largest.
        self.counts.retain(|&(at_ns, count)| at_ns > since_ns && count > nodes);
        self.counts.push_back((now_ns, nodes));
    }

    /// Believes what somebody else has found.
    pub(super) fn take_over(&mut self, nodes: u64) {
        self.counts.clear();
        self.counts.push_back((0, nodes));
    }

    /// Limiters that share the store, at least 1.
    pub(super) fn nodes(&self) -> u64 {
        self.counts.iter().map(|&(_, count)| count).max().unwrap_or(0).max(self.nodes_min)
    }
}

/// Writes a sign of life at `store_ms` of the store's clock.
pub(super) fn sign_of_life(out: &mut Vec<u8>, key: &[u8], node: &str, store_ms: u64) {
    command(out, &["ZADD".into(), key.into(), store_ms.into(), node.into()]);
    let gone_ms = store_ms.saturating_sub(GONE_MS);
    command(out, &["ZREMRANGEBYSCORE".into(), key.into(), "-inf".into(), gone_ms.into()]);
    command(out, &["ZCARD".into(), key.into()]);
    command(out, &["PEXPIRE".into(), key.into(), KEY_MS.into()]);
}

/// Writes that the node is gone.
pub(super) fn farewell(out: &mut Vec<u8>, key: &[u8], node: &str) {
    command(out, &["ZREM".into(), key.into(), node.into()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_believed_at_once_and_less_after_a_while() {
        let mut members = Members::new(2);
        assert_eq!(members.nodes(), 2);
        let mut learn = |nodes, at_ms: u64| {
            members.learn(nodes, at_ms * NS_PER_MS);
            members.nodes()
        };
        assert_eq!(learn(5, 1000), 5);
        assert_eq!(learn(3, 2000), 5);
        assert_eq!(learn(4, 3000), 5);
        assert_eq!(learn(1, 10_999), 5);
        assert_eq!(learn(1, 11_000), 4);
        assert_eq!(learn(1, 13_000), 2);
        assert_eq!(learn(9, 13_001), 9);
        assert_eq!(Members::new(0).nodes(), 1);
    }

    #[test]
    fn counts_are_bounded() {
        let mut members = Members::new(1);
        for at in 0..100_000 {
            members.learn(100_000 - at, at * INTERVAL_MS * NS_PER_MS);
        }
        assert!(members.counts.len() <= 11, "{}", members.counts.len());
    }
}
