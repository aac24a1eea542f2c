//! What a core counts.
//!
//! Job: count verdicts by rule and by key, and write the counts down now and then. In: verdicts. Out: a
//! [`CoreReport`]. Invariant: counts only rise; the memory is bounded: of keys only the busiest are kept.

use std::sync::Arc;

use ahash::AHashMap;
use ringlet_limit::engine::EngineCounters;
use ringlet_limit::request::{LimitRef, Matched, Reason, Verdict};
use ringlet_limit::store::StoreView;

use ringlet_limit::rules::RuleSet;

use crate::limits::TOP_KEYS;

/// What a rule has said.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleCounts {
    /// Questions it allowed.
    pub allowed: u64,
    /// Tokens it allowed.
    pub tokens: u64,
    /// Questions it refused.
    pub denied: u64,
    /// Questions that it would have refused if it were not a shadow.
    pub shadow_denied: u64,
    /// Of all these, answered without the store although it should have been asked.
    pub without_store: u64,
    /// The hash of a key whose tokens are counted one by one; 0: none.
    pub watched_hash: u64,
    /// Tokens that this key was allowed since it is watched.
    pub watched_tokens: u64,
}

impl RuleCounts {
    /// Adds what another core, or the rule before it was changed, has said.
    pub fn add(&mut self, other: &Self) {
        self.allowed += other.allowed;
        self.tokens += other.tokens;
        self.denied += other.denied;
        self.shadow_denied += other.shadow_denied;
        self.without_store += other.without_store;
    }
}

/// A key that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Its hash.
    pub hash: u64,
    /// Its text.
    pub text: Vec<u8>,
}

/// For some rules, by slot, a key of theirs that all cores watch.
pub type Watched = AHashMap<u32, Watch>;

/// A key that is used much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopKey {
    /// Its hash, the same on all cores.
    pub hash: u64,
    /// Its text, which begins with its rule.
    pub text: Vec<u8>,
    /// Questions, a little more than there were if it came late.
    pub questions: u64,
    /// Of these, allowed since it is counted.
    pub allowed: u64,
    /// Of these, refused since it is counted.
    pub denied: u64,
}

/// What a core has counted.
#[derive(Clone, Debug, Default)]
pub struct CoreReport {
    /// By slot of the rule.
    pub rules: AHashMap<u32, RuleCounts>,
    /// What the slots mean.
    pub rule_set: Option<Arc<RuleSet>>,
    /// Limits that questions brought along.
    pub given: RuleCounts,
    /// The busiest keys.
    pub top: Vec<TopKey>,
    /// Questions, by how they ended.
    pub allowed: u64,
    /// See `allowed`.
    pub denied: u64,
    /// Refused by the lists.
    pub denied_by_lists: u64,
    /// Refused because too much waited.
    pub overloaded: u64,
    /// Questions that could not be answered.
    pub refused: u64,
    /// The engine's numbers.
    pub engine: EngineCounters,
    /// The store, if there is one.
    pub store: Option<StoreView>,
    /// Open connections, by listener.
    pub connections: Vec<u64>,
    /// Connections accepted, by listener.
    pub accepted: Vec<u64>,
    /// Lines of the audit log that were lost, as nobody wrote them fast enough.
    pub audit_lost: u64,
    /// Lines that were left out, as there were too many in their second.
    pub audit_left_out: u64,
}

/// The keys that are used most, by the space-saving algorithm (Metwally, Agrawal and El Abbadi, 2005): a
/// new key takes the place of the least used one and inherits its count, so that no busy key is missed.
#[derive(Debug, Default)]
pub struct TopKeys {
    places: AHashMap<u64, usize>,
    keys: Vec<(u64, TopKey)>,
}

impl TopKeys {
    /// Counts a question.
    pub fn count(&mut self, hash: u64, text: &[u8], is_allowed: bool) {
        let place = match self.places.get(&hash) {
            Some(&place) => place,
            None => self.make_place(hash, text),
        };
        let key = &mut self.keys[place].1;
        key.questions += 1;
        key.allowed += u64::from(is_allowed);
        key.denied += u64::from(!is_allowed);
    }

    fn make_place(&mut self, hash: u64, text: &[u8]) -> usize {
        let mut fresh = TopKey { hash, text: text.to_vec(), ..TopKey::default() };
        let place = if self.keys.len() < TOP_KEYS {
            self.keys.push((hash, fresh));
            self.keys.len() - 1
        } else {
            let least = self.keys.iter().enumerate().min_by_key(|(_, (_, key))| key.questions);
            let place = least.map_or(0, |(place, _)| place);
            self.places.remove(&self.keys[place].0);
            fresh.questions = self.keys[place].1.questions;
            self.keys[place] = (hash, fresh);
            place
        };
        self.places.insert(hash, place);
        place
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> Vec<TopKey> {
        self.keys.iter().map(|(_, key)| key.clone()).collect()
    }
}

/// Counts of a core.
#[derive(Debug, Default)]
pub struct Counters {
    /// What is written down.
    pub report: CoreReport,
    /// The busiest keys.
    pub top: TopKeys,
    /// Every so many questions one is counted by its key.
    sampled: u32,
}

/// One question in so many is counted by its key: to look for it costs as much as to decide.
pub const TOP_KEYS_SAMPLING: u32 = 8;

impl Counters {
    /// Counts a verdict.
    pub fn count(&mut self, matched: &Matched, verdict: &Verdict) {
        self.count_verdict(matched, verdict);
        self.sampled += 1;
        if self.sampled >= TOP_KEYS_SAMPLING {
            self.sampled = 0;
            for (item, part) in matched.items.iter().zip(&verdict.parts) {
                self.top.count(item.hash, matched.text_of(item), part.outcome.is_allowed);
            }
        }
    }

    fn count_verdict(&mut self, matched: &Matched, verdict: &Verdict) {
        let report = &mut self.report;
        match (verdict.is_allowed, verdict.reason) {
            (true, _) => report.allowed += 1,
            (false, reason) => {
                report.denied += 1;
                report.denied_by_lists += u64::from(reason == Reason::Lists);
                report.overloaded += u64::from(reason == Reason::Overload);
            }
        }
        for (item, part) in matched.items.iter().zip(&verdict.parts) {
            let counts = match part.limit {
                LimitRef::Rule(slot) => report.rules.entry(slot).or_default(),
                LimitRef::Given(_) => &mut report.given,
            };
            if part.outcome.is_allowed {
                counts.allowed += u64::from(verdict.is_allowed);
                let tokens = if verdict.is_allowed { item.cost } else { 0 };
                counts.tokens += tokens;
                if counts.watched_hash == item.hash {
                    counts.watched_tokens += tokens;
                }
            } else if part.is_shadow {
                counts.shadow_denied += 1;
            } else {
                counts.denied += 1;
            }
            counts.without_store += u64::from(verdict.reason == Reason::Store);
        }
    }

    /// Other rules hold: what a rule has counted goes on under its name, what nobody knows is forgotten.
    pub fn apply(&mut self, former: &RuleSet, present: &RuleSet) {
        let slots: AHashMap<&str, u32> =
            present.slots().map(|(slot, rule)| (rule.name.as_str(), slot)).collect();
        for (slot, counts) in std::mem::take(&mut self.report.rules) {
            let rule = present.rule(slot).or_else(|| former.rule(slot));
            let now = rule.and_then(|rule| slots.get(rule.name.as_str()));
            if let Some(&now) = now {
                let place = self.report.rules.entry(now).or_default();
                place.add(&counts);
                if now == slot {
                    let RuleCounts { watched_hash, watched_tokens, .. } = counts;
                    *place = RuleCounts { watched_hash, watched_tokens, ..*place };
                }
            }
        }
    }

    /// Has keys watched; one that was watched before counts on.
    pub fn watch(&mut self, watched: &Watched) {
        for (slot, counts) in &mut self.report.rules {
            let hash = watched.get(slot).map_or(0, |watch| watch.hash);
            if counts.watched_hash != hash {
                (counts.watched_hash, counts.watched_tokens) = (hash, 0);
            }
        }
    }
}
