//! What a lease does while the store cannot be asked.
//!
//! Job: answer by the rule's policy. In: costs. Out: answers; a debt when the store is back. Invariant:
//! under `share`, this node admits at most its part of what was left when the outage began, and then of
//! each window's limit (of a bucket: of its rate and burst), but at least one token. A store that answers
//! now and then does not begin a share anew: what was spent of it stays spent until it comes back with
//! time.

use super::{Answer, Decided, Effects, Lease, Terms};
use crate::algorithm::{Cell, Memory, Spread, State};
use crate::model::{Limit, OnStoreFailure};
use crate::time::Now;

/// A share that is counted here.
#[derive(Debug)]
pub(super) struct Outage {
    state: State,
    share: Limit,
    /// Spent in the window that starts at `window_ms` and not yet owed to the store.
    spent: u64,
    window_ms: u64,
    /// Spent so near to an edge that it may be of the window before or behind it.
    spent_at_edge: u64,
    /// When the share is as if nothing of it had been spent.
    ends_ns: u64,
}

impl Outage {
    /// Whether nothing is lost with it.
    pub(super) fn is_forgettable(&self, now: Now) -> bool {
        now.monotonic_ns >= self.ends_ns
    }
}

impl Lease {
    /// Answers all who wait.
    pub(super) fn answer_without_store(&mut self, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        while let Some(waiter) = self.waiters.pop_front() {
            let answer = self.take_without_store(waiter.cost, terms, effects.memory);
            effects.answers.push((waiter.asker, answer));
        }
    }

    pub(super) fn take_without_store(
        &mut self,
        cost: u64,
        terms: &Terms<'_>,
        memory: &mut Memory,
    ) -> Answer {
        let is_open = terms.window.is_some();
        if is_open && cost <= self.balance {
            self.spend(cost);
            return self.said(true, terms);
        }
        let by = match terms.on_failure {
            OnStoreFailure::Share => Decided::Share,
            OnStoreFailure::Open | OnStoreFailure::Closed => Decided::Policy,
        };
        let outcome = match terms.on_failure {
            OnStoreFailure::Open => self.outcome(true, terms),
            OnStoreFailure::Closed => self.outcome(false, terms),
            OnStoreFailure::Share => {
                let share = self.begin_outage(terms, memory);
                let limit = &share.share;
                let cell = Cell { limit, state: &mut share.state, memory, now: terms.now };
                let outcome = (limit.algorithm.take)(cell, cost);
                if outcome.is_allowed {
                    share.spent_at_edge += cost;
                    share.assign(terms);
                }
                let limit = &share.share;
                let cell = Cell { limit, state: &mut share.state, memory, now: terms.now };
                let left_ns = (limit.algorithm.forgettable_after_ns)(cell);
                share.ends_ns = terms.now.monotonic_ns.saturating_add(left_ns);
                outcome
            }
        };
        Answer { outcome, by }
    }

    fn begin_outage(&mut self, terms: &Terms<'_>, memory: &mut Memory) -> &mut Outage {
        // Of a window that the store has said nothing of, nobody knows what is left.
        let left = if self.is_known { self.remaining_now(terms) } else { terms.limit.burst };
        let window_ms = self.window.start_ms;
        self.outage.get_or_insert_with(|| {
            let nodes = terms.view.nodes.max(1);
            let share = share_of(terms.limit, nodes);
            let mut state = State::default();
            let gone = share.burst - (left / nodes).clamp(1, share.burst);
            if gone > 0 {
                let cell = Cell { limit: &share, state: &mut state, memory, now: terms.now };
                (share.algorithm.force)(cell, gone);
            }
            Outage { state, share, spent: 0, window_ms, spent_at_edge: 0, ends_ns: 0 }
        })
    }

    /// The store can be asked again: what was spent meanwhile and still counts is owed to it.
    pub(super) fn end_outage(&mut self, terms: &Terms<'_>, memory: &mut Memory) {
        let Some(outage) = &mut self.outage else { return };
        outage.assign(terms);
        let share = &outage.share;
        let owed = match share.algorithm.spread {
            Spread::Bucket => {
                let cell = Cell { limit: share, state: &mut outage.state, memory, now: terms.now };
                let level = (share.algorithm.take)(cell, 0).remaining;
                (share.burst - level.min(share.burst)).min(outage.spent)
            }
            _ if outage.window_ms == self.window.start_ms => outage.spent,
            _ => 0,
        };
        outage.spent = 0;
        if outage.is_forgettable(terms.now) {
            self.outage = None;
        }
        self.owe(owed, terms);
    }
}

impl Outage {
    /// Counts what was spent to the window, if it is certain which one that is. What was spent at its edge
    /// counts to it as well: too much is an error to the safe side.
    fn assign(&mut self, terms: &Terms<'_>) {
        let Some(window) = terms.window else { return };
        if window.start_ms != self.window_ms {
            self.window_ms = window.start_ms;
            self.spent = 0;
        }
        self.spent += std::mem::take(&mut self.spent_at_edge);
    }
}

/// The part of a limit that one of `nodes` may use by itself.
fn share_of(limit: &Limit, nodes: u64) -> Limit {
    let burst = (limit.burst / nodes).max(1);
    match limit.algorithm.spread {
        // The rate is exact this way, and slow ones do not become none.
        Spread::Bucket => {
            let period_ns = limit.period_ns.saturating_mul(nodes).min(crate::model::PERIOD_NS_MAX);
            Limit { burst, period_ns, ..limit.clone() }
        }
        _ => Limit { burst, count: burst, ..limit.clone() },
    }
}
