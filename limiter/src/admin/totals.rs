//! What all cores have counted, added up.
//!
//! Job: one number from many. In: the shared state. Out: [`Totals`]. Invariant: reading costs the cores
//! nothing; a rule counts under its name, also while some cores have taken up a reload and others not.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringlet_limit::model::Rule;
use ringlet_limit::rules::RuleSet;
use ringlet_limit::store::StoreView;

use crate::report::{CoreReport, RuleCounts, TopKey, Watched};
use crate::shared::{Shared, lock};

/// What is said of the engines together.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Engines {
    /// Keys that have a place.
    pub keys: u64,
    /// Keys that were forgotten while they still said something.
    pub evicted: u64,
    /// Questions that were answered from a state that keys share.
    pub unplaced: u64,
    /// Leases.
    pub leases: u64,
    /// Tokens that are leased and not spent.
    pub held: u64,
    /// Questions that wait.
    pub pending: u64,
    /// Messages between cores.
    pub messages: u64,
    /// Calls to the store.
    pub store_calls: u64,
}

/// Sums over all cores.
#[derive(Clone, Default)]
pub struct Totals {
    /// The rules that hold, in the order of the file.
    pub rules: Vec<(u32, Arc<Rule>, RuleCounts)>,
    /// Limits that questions brought along.
    pub given: RuleCounts,
    /// Questions, by how they ended; as in [`CoreReport`].
    pub allowed: u64,
    /// See `allowed`.
    pub denied: u64,
    /// Of the denied: by the lists.
    pub denied_by_lists: u64,
    /// Of the denied: because too much waited.
    pub overloaded: u64,
    /// Questions that could not be answered.
    pub refused: u64,
    /// Open and accepted connections, by listener.
    pub connections: Vec<(u64, u64)>,
    /// Lines of the audit log that got lost, and that were left out.
    pub audit: (u64, u64),
    /// The engines.
    pub engines: Engines,
    /// The store as the first core sees it; `is_up` if all cores reach it.
    pub store: Option<StoreView>,
    /// The busiest keys of each core.
    pub top: Vec<Vec<TopKey>>,
    /// Number of the rules.
    pub generation: u64,
}

impl Totals {
    /// The sums as they are now.
    #[must_use]
    pub fn of(shared: &Shared) -> Self {
        let snapshot = shared.snapshot();
        // Copies: a core that writes down what it has counted waits for nobody who adds.
        let reports: Vec<CoreReport> =
            shared.reports.iter().map(|report| lock(report).clone()).collect();
        Self::add_up(&reports, &snapshot.rules, &shared.watched(), shared.listeners.len())
    }

    /// Adds up what cores have counted, for the rules that hold.
    #[must_use]
    pub fn add_up(
        reports: &[CoreReport],
        rules: &RuleSet,
        watched: &Watched,
        listeners: usize,
    ) -> Self {
        let mut by_name: BTreeMap<&str, RuleCounts> = BTreeMap::new();
        let mut totals = Self {
            generation: rules.generation(),
            connections: vec![(0, 0); listeners],
            ..Self::default()
        };
        for report in reports {
            for (&slot, counts) in &report.rules {
                let rule = report.rule_set.as_ref().and_then(|rules| rules.rule(slot));
                if let Some(rule) = rule {
                    by_name.entry(&rule.name).or_default().add(counts);
                }
            }
            totals.add(report);
        }
        for (slot, rule) in rules.slots() {
            let mut counts = by_name.get(rule.name.as_str()).copied().unwrap_or_default();
            if let Some(watch) = watched.get(&slot) {
                // Some cores may still watch another key.
                let of_cores = reports.iter().filter_map(|report| report.rules.get(&slot));
                let watching = of_cores.filter(|of_core| of_core.watched_hash == watch.hash);
                counts.watched_hash = watch.hash;
                counts.watched_tokens = watching.map(|of_core| of_core.watched_tokens).sum();
            }
            totals.rules.push((slot, rule.clone(), counts));
        }
        totals
    }

    fn add(&mut self, report: &CoreReport) {
        self.given.add(&report.given);
        self.allowed += report.allowed;
        self.denied += report.denied;
        self.denied_by_lists += report.denied_by_lists;
        self.overloaded += report.overloaded;
        self.refused += report.refused;
        self.audit.0 += report.audit_lost;
        self.audit.1 += report.audit_left_out;
        for (sum, listener) in self.connections.iter_mut().zip(0..) {
            let of = |counts: &[u64]| counts.get(listener).copied().unwrap_or(0);
            sum.0 += of(&report.connections);
            sum.1 += of(&report.accepted);
        }
        let (sum, engine) = (&mut self.engines, &report.engine);
        sum.keys += engine.table.keys as u64;
        sum.evicted += engine.table.evicted;
        sum.unplaced += engine.table.unplaced;
        sum.leases += engine.leases as u64;
        sum.held += engine.held;
        sum.pending += engine.pending as u64;
        sum.messages += engine.messages;
        sum.store_calls += engine.store_calls;
        self.store = match (self.store, report.store) {
            (Some(first), Some(other)) => {
                let clock_error_ms = first.clock_error_ms.max(other.clock_error_ms);
                Some(StoreView { is_up: first.is_up && other.is_up, clock_error_ms, ..first })
            }
            (first, other) => first.or(other),
        };
        self.top.push(report.top.clone());
    }
}
