//! What has happened in the last minute, and which keys the page plots.
//!
//! Job: turn counters into rates second by second, and choose of the busiest rules the busiest key. In:
//! totals, once a second. Out: series; keys for the cores to watch. Invariant: it remembers only what the
//! totals have, and only for a minute.
//!
//! Of the questions one in [`TOP_KEYS_SAMPLING`] is counted by its key: rates of keys are estimates. A key
//! that is watched is counted token by token, so that its plot is exact.

use std::collections::HashMap;

use ringlet_runtime::admin::document::Series;
use ringlet_runtime::admin::sampler::Rate;

use super::totals::Totals;
use crate::limits::WATCHED_RULES;
use crate::report::{TOP_KEYS_SAMPLING, Watch, Watched};

/// Of a rule.
#[derive(Default)]
pub struct RuleHistory {
    /// Questions allowed.
    pub allowed: Rate,
    /// Questions refused.
    pub denied: Rate,
    /// Questions that a shadow would have refused.
    pub shadow_denied: Rate,
    /// Tokens.
    pub tokens: Rate,
}

/// Of a key.
#[derive(Default)]
pub struct KeyHistory {
    /// Its text.
    pub text: Vec<u8>,
    /// Questions per second.
    pub questions: Series,
    /// Of these, refused.
    pub denied: Series,
}

/// A key that is plotted.
pub struct Plot {
    /// Which.
    pub watch: Watch,
    /// Tokens that it was allowed.
    pub tokens: Rate,
}

/// All of it.
#[derive(Default)]
pub struct History {
    /// By name.
    pub rules: HashMap<String, RuleHistory>,
    /// By hash.
    pub keys: HashMap<u64, KeyHistory>,
    /// By slot of the rule.
    pub plots: HashMap<u32, Plot>,
    /// Connections accepted, by listener.
    pub accepted: Vec<Rate>,
    /// Questions.
    pub questions: Rate,
    /// Calls to the store.
    pub store_calls: Rate,
    /// Messages between cores.
    pub messages: Rate,
    /// Of the time of one core.
    pub cpu_percent: Series,
    /// What each core has counted of a key: questions allowed and refused. None before the first look.
    keys_before: Option<HashMap<(usize, u64), (u64, u64)>>,
}

impl History {
    /// Looks at all counters, `seconds` after the last time. What it returns is to be watched from now on.
    pub fn sample(&mut self, totals: &Totals, seconds: f64) -> Watched {
        let mut before = std::mem::take(&mut self.rules);
        for (slot, rule, counts) in &totals.rules {
            let mut history = before.remove(&rule.name).unwrap_or_default();
            history.allowed.sample(counts.allowed, seconds);
            history.denied.sample(counts.denied, seconds);
            history.shadow_denied.sample(counts.shadow_denied, seconds);
            history.tokens.sample(counts.tokens, seconds);
            self.rules.insert(rule.name.clone(), history);
            if let Some(plot) = self.plots.get_mut(slot)
                && plot.watch.hash == counts.watched_hash
            {
                plot.tokens.sample(counts.watched_tokens, seconds);
            }
        }
        self.accepted.resize_with(totals.connections.len(), Rate::default);
        for (rate, (_, accepted)) in self.accepted.iter_mut().zip(&totals.connections) {
            rate.sample(*accepted, seconds);
        }
        self.questions.sample(totals.allowed + totals.denied, seconds);
        self.store_calls.sample(totals.engines.store_calls, seconds);
        self.messages.sample(totals.engines.messages, seconds);
        self.sample_keys(totals, seconds);
        self.choose(totals)
    }

    fn sample_keys(&mut self, totals: &Totals, seconds: f64) {
        let mut counted: HashMap<(usize, u64), (u64, u64)> = HashMap::new();
        let mut grown: HashMap<u64, (u64, u64)> = HashMap::new();
        let mut histories = std::mem::take(&mut self.keys);
        for (core, keys) in totals.top.iter().enumerate() {
            for key in keys {
                let now = (key.allowed, key.denied);
                let before = match &self.keys_before {
                    // A core counts a key from 0 when it comes into its list.
                    Some(before) => before.get(&(core, key.hash)).copied().unwrap_or_default(),
                    None => now,
                };
                let is_anew = now.0 < before.0 || now.1 < before.1;
                let before = if is_anew { (0, 0) } else { before };
                let sum = grown.entry(key.hash).or_default();
                sum.0 += now.0 - before.0;
                sum.1 += now.1 - before.1;
                counted.insert((core, key.hash), now);
                self.keys.entry(key.hash).or_insert_with(|| KeyHistory {
                    text: key.text.clone(),
                    ..histories.remove(&key.hash).unwrap_or_default()
                });
            }
        }
        if self.keys_before.replace(counted).is_some() {
            let scale = f64::from(TOP_KEYS_SAMPLING) / seconds;
            for (hash, (allowed, denied)) in grown {
                if let Some(history) = self.keys.get_mut(&hash) {
                    history.questions.push((allowed + denied) as f64 * scale);
                    history.denied.push(denied as f64 * scale);
                }
            }
        }
    }

    /// Of the busiest rules the busiest key. A key that is watched stays until another one is asked for
    /// twice as often, as its plot begins anew with every change.
    fn choose(&mut self, totals: &Totals) -> Watched {
        let mut busiest: HashMap<&[u8], (f64, u64)> = HashMap::new();
        for (hash, key) in &self.keys {
            let name = key.text.split(|byte| *byte == b':').next().unwrap_or_default();
            let found = (key.questions.sum(), *hash);
            let place = busiest.entry(name).or_insert(found);
            if found > *place {
                *place = found;
            }
        }
        let mut candidates: Vec<(f64, u32, u64)> = totals
            .rules
            .iter()
            .filter_map(|(slot, rule, _)| {
                let (questions, hash) = *busiest.get(rule.name.as_bytes())?;
                Some((questions, *slot, hash))
            })
            .collect();
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        candidates.truncate(WATCHED_RULES);
        let mut before = std::mem::take(&mut self.plots);
        for (questions, slot, hash) in candidates {
            let kept = before.remove(&slot).filter(|plot| {
                let present = self.keys.get(&plot.watch.hash);
                present.is_some_and(|key| 2.0 * key.questions.sum() >= questions)
            });
            let plot = kept.unwrap_or_else(|| Plot {
                watch: Watch { hash, text: self.keys[&hash].text.clone() },
                tokens: Rate::default(),
            });
            self.plots.insert(slot, plot);
        }
        self.plots.iter().map(|(slot, plot)| (*slot, plot.watch.clone())).collect()
    }
}
