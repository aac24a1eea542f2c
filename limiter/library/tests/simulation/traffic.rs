//! Clients.
//!
//! Job: ask, now and then give back. In: the scenario. Out: checks. Invariant: a check is asked of a node
//! that runs; what is given back was allowed in the same windows.

use ringlet_limit::request::{Action, Matched, Verdict};

use crate::judge::{Open, Part};
use crate::node::RULE_NAMES;
use crate::world::{Event, NS_PER_MS, Place, World};

/// Checks of one burst.
const BURST: u64 = 30;

impl World {
    /// The next request comes, or several at once.
    pub fn arrive(&mut self) -> Result<(), String> {
        if !self.is_in_traffic() {
            return Ok(());
        }
        let mean_ns = 1e9 / self.scenario.rate_per_s as f64;
        let pause_ns = -(1.0 - self.random.fraction()).ln() * mean_ns;
        self.schedule(self.at_ns + pause_ns as u64, Event::Arrive);
        let is_burst = self.random.below(1000) < self.scenario.burst_per_mille;
        for _ in 0..if is_burst { BURST } else { 1 } {
            if let Some(place) = self.place() {
                self.ask(place)?;
            }
        }
        Ok(())
    }

    /// Most requests of a while come to one node, and most of a node to one core.
    fn place(&mut self) -> Option<Place> {
        let favourite = self.at_ns / (self.scenario.shift_ms * NS_PER_MS);
        let open = |&node: &usize| self.nodes[node].is_open;
        let open: Vec<usize> = (0..self.nodes.len()).filter(open).collect();
        let count = open.len() as u64;
        if count == 0 {
            return None;
        }
        let is_stray = self.random.below(1000) < self.scenario.stray_per_mille;
        let which = if is_stray { self.random.next_u64() } else { favourite };
        let node = open[(which % count) as usize];
        let cores = self.scenario.cores as u64;
        let core = self.random.below(cores).min(self.random.below(cores));
        Some((node, core as usize))
    }

    fn parts(&mut self) -> Vec<Part> {
        let part = |world: &mut Self, rule| {
            let skewed = world.random.fraction().powi(3);
            let key = (skewed * world.scenario.keys as f64) as u64;
            Part { rule, key, cost: 1 + world.random.below(world.scenario.cost_max) }
        };
        let is_both = self.random.below(1000) < self.scenario.both_per_mille;
        match (is_both, self.random.below(8)) {
            (true, 0..4) => vec![part(self, 0), part(self, 1)],
            (true, _) => vec![part(self, 1), part(self, 0)],
            (false, 0) if self.scenario.both_per_mille > 0 => vec![part(self, 1)],
            (false, _) => vec![part(self, 0)],
        }
    }

    fn ask(&mut self, place: Place) -> Result<(), String> {
        let (node, core) = place;
        let parts = self.parts();
        let is_peek = self.random.below(1000) < self.scenario.peek_per_mille;
        let action = if is_peek { Action::Peek } else { Action::Take };
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let asked_ns = self.at_ns;
        self.judge.ask(ticket, Open { node, core, action, parts: parts.clone(), asked_ns });
        self.note(|| format!("check {ticket} at {place:?}: {action:?} {parts:?}"));
        let mut matched = std::mem::take(&mut self.matched);
        self.matched(node, core, &parts, &mut matched);
        let mut verdict = std::mem::take(&mut self.verdict);
        let now = self.nodes[node].clock.now(asked_ns);
        let engine = &mut self.nodes[node].engines[core];
        if engine.check(&matched, action, ticket, now, &mut verdict) {
            self.finish(ticket, &verdict)?;
        } else {
            let longest_ns = self.longest_wait_ms() * NS_PER_MS;
            self.schedule(asked_ns + longest_ns, Event::Due(ticket));
        }
        self.matched = matched;
        self.verdict = verdict;
        self.carry(place)
    }

    /// A question may wait for the other side of an edge of two windows, then for two calls in
    /// succession of which each may fail.
    fn longest_wait_ms(&self) -> u64 {
        2 * self.scenario.clock_error_ms + 3 * self.scenario.timeout_ms + 30
    }

    /// What a front end would make of a request.
    fn matched(&self, node: usize, core: usize, parts: &[Part], out: &mut Matched) {
        let rules = self.nodes[node].engines[core].rules();
        out.clear();
        let mut one = Matched::default();
        for part in parts {
            let key = part.key.to_string();
            let name = RULE_NAMES[part.rule];
            rules.by_name(name, key.as_bytes(), Some(part.cost), &mut one).expect("a rule");
            for item in &one.items {
                let mut item = item.clone();
                let start = out.text.len();
                out.text.extend_from_slice(one.text_of(&item));
                item.text = start..out.text.len();
                out.items.push(item);
            }
        }
    }

    /// A check has its verdict.
    pub fn finish(&mut self, ticket: u64, verdict: &Verdict) -> Result<(), String> {
        let at_ns = self.at_ns;
        self.note(|| format!("check {ticket}: {verdict:?}"));
        let open = self.judge.verdict(&self.scenario, ticket, verdict, at_ns)?;
        let is_taken = verdict.is_allowed && open.action == Action::Take;
        if is_taken && self.random.below(1000) < self.scenario.refund_per_mille {
            let later_ns = at_ns + self.random.below(20 * NS_PER_MS);
            // On its way it may come to another window than it was taken from, where it counts for
            // nothing or for too much: whoever is that late does not give back.
            let margin_ns = (2 * self.scenario.clock_error_ms + 5) * NS_PER_MS;
            let mut is_same = true;
            for part in &open.parts {
                let ledger = self.judge.ledger(&self.scenario, part.rule, part.key);
                let window = |at_ns| ledger.window(at_ns);
                is_same &= window(open.asked_ns - margin_ns.min(open.asked_ns))
                    == window(later_ns + margin_ns);
            }
            if is_same {
                let place = (open.node, open.core);
                self.schedule(later_ns, Event::Refund(place, open.parts, open.asked_ns));
            }
        }
        Ok(())
    }

    pub fn refund(&mut self, place: Place, parts: &[Part], asked_ns: u64) -> Result<(), String> {
        let (node, core) = place;
        if !self.nodes[node].is_open {
            return Ok(());
        }
        let at_ns = self.at_ns;
        for part in parts {
            self.judge.refund(&self.scenario, part, asked_ns, at_ns);
        }
        let mut matched = Matched::default();
        self.matched(node, core, parts, &mut matched);
        let mut verdict = Verdict::default();
        let now = self.nodes[node].clock.now(at_ns);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let engine = &mut self.nodes[node].engines[core];
        if !engine.check(&matched, Action::GiveBack, ticket, now, &mut verdict) {
            return Err("giving back waits".to_owned());
        }
        self.carry(place)
    }
}
