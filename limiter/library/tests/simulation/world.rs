//! The world: nodes, a network, a store, clients, and one true time.
//!
//! Job: let things happen in the order of their instants. In: a scenario. Out: nothing, or what went
//! wrong and when. Invariant: all chance comes from the scenario's seed, so a run can be had again.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringlet_base::random::Random;
use ringlet_limit::engine::message::Message;
use ringlet_limit::request::{Matched, Verdict};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::store::{StoreCall, StoreCommand, StoreReply, StoreView};

use crate::judge::Judge;
use crate::node::Node;
use crate::planted::Planted;
use crate::scenario::{Scenario, Trouble};
use crate::store::Store;

pub const NS_PER_MS: u64 = 1_000_000;
/// So long after the last request everything must be at rest: waiting questions are answered, unused
/// tokens given back.
const QUIET_MS: u64 = 250;
const TICK_NS: u64 = 10 * NS_PER_MS;
const SYNC_MS: u64 = 20;

/// A core of a node.
pub type Place = (usize, usize);

#[derive(Debug)]
pub enum Event {
    Arrive,
    /// With the time when it was asked for.
    Refund(Place, Vec<crate::judge::Part>, u64),
    /// A check must have its verdict by now.
    Due(u64),
    Tick(Place),
    Deliver(usize, usize, Message),
    Execute(Place, u64, StoreCall, Option<u64>),
    Reply(Place, u64, u64, StoreReply),
    GiveUp(Place, u64, u64),
    Reconnect(Place),
    Sync(usize),
    Snapshot,
    Trouble(Trouble),
    Change(crate::scenario::Change),
    Apply(Place, Arc<RuleSet>),
    Close(usize, u8),
}

#[derive(Debug)]
pub struct World {
    pub scenario: Scenario,
    pub planted: Planted,
    pub random: Random,
    pub at_ns: u64,
    pub nodes: Vec<Node>,
    pub judge: Judge,
    pub matched: Matched,
    pub verdict: Verdict,
    pub next_ticket: u64,
    pub is_verbose: bool,
    pub store: Store,
    pub snapshot: Store,
    pub incarnation: u64,
    /// Calls that are on their way, by core, with the connection's generation.
    pub calls: BTreeMap<(Place, u64, u64), ()>,
    events: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
}

impl World {
    pub fn new(scenario: Scenario, planted: Planted, is_verbose: bool) -> Self {
        // Not the sequence that the scenario was drawn from.
        let random = Random::new(scenario.seed ^ 0x5eed);
        Self {
            planted,
            random,
            at_ns: 0,
            nodes: Vec::new(),
            judge: Judge::default(),
            matched: Matched::default(),
            verdict: Verdict::default(),
            next_ticket: 1,
            is_verbose,
            store: Store::default(),
            snapshot: Store::default(),
            incarnation: 1,
            calls: BTreeMap::new(),
            events: BTreeMap::new(),
            scheduled: 0,
            scenario,
        }
    }

    pub fn schedule(&mut self, at_ns: u64, event: Event) {
        self.scheduled += 1;
        self.events.insert((at_ns.max(self.at_ns), self.scheduled), event);
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        if self.is_verbose {
            println!("{:>10.3} ms  {}", self.at_ns as f64 / 1e6, what());
        }
    }

    /// Runs from beginning to end.
    pub fn run(mut self) -> Result<Judge, String> {
        self.at_ns = self.scenario.start_ms * NS_PER_MS;
        let start_ns = self.at_ns;
        self.plan(start_ns);
        let end_ns = start_ns + (self.scenario.length_ms + QUIET_MS) * NS_PER_MS;
        while let Some(((at_ns, _), event)) = self.events.pop_first() {
            let is_over = at_ns > end_ns;
            if is_over && !matches!(event, Event::Execute(..)) {
                continue;
            }
            self.at_ns = at_ns;
            if self.is_verbose && !matches!(event, Event::Tick(_) | Event::Sync(_) | Event::Due(_))
            {
                self.note(|| format!("{event:?}"));
            }
            self.happen(event)
                .map_err(|what| format!("at {:.3} ms: {what}", self.at_ns as f64 / 1e6))?;
        }
        self.judge.finish(&self.scenario, &self.store, end_ns)?;
        Ok(self.judge)
    }

    fn plan(&mut self, start_ns: u64) {
        for _ in 0..self.scenario.nodes {
            self.join();
        }
        self.schedule(start_ns + NS_PER_MS, Event::Arrive);
        for trouble in self.scenario.troubles.clone() {
            if let Trouble::Failover { at_ms, lag_ms } = trouble {
                self.schedule(at_ms.saturating_sub(lag_ms) * NS_PER_MS, Event::Snapshot);
            }
            if let Trouble::Failover { at_ms, .. } | Trouble::Flush { at_ms } = trouble {
                self.schedule(at_ms * NS_PER_MS, Event::Trouble(trouble));
            }
        }
        for (at_ms, change) in self.scenario.changes.clone() {
            self.schedule(start_ns + at_ms * NS_PER_MS, Event::Change(change));
        }
    }

    pub fn is_in_traffic(&self) -> bool {
        let end_ms = self.scenario.start_ms + self.scenario.length_ms;
        self.at_ns < end_ms * NS_PER_MS
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Arrive => self.arrive(),
            Event::Refund(place, parts, asked_ns) => self.refund(place, &parts, asked_ns),
            Event::Due(ticket) => match self.judge.is_open(ticket) {
                true => Err(format!("check {ticket} has waited too long")),
                false => Ok(()),
            },
            Event::Tick(place) => self.tick(place),
            Event::Deliver(node, to, message) => self.deliver(node, to, message),
            Event::Execute(place, generation, call, answered_ns) => {
                self.execute(place, generation, &call, answered_ns)
            }
            Event::Reply(place, generation, id, reply) => {
                if self.calls.remove(&(place, generation, id)).is_none() {
                    return Ok(());
                }
                self.answer(place, id, reply)
            }
            Event::GiveUp(place, generation, id) => {
                match self.calls.contains_key(&(place, generation, id)) {
                    true => self.disconnect(place),
                    false => Ok(()),
                }
            }
            Event::Reconnect(place) => self.reconnect(place),
            Event::Sync(node) => self.sync(node),
            Event::Snapshot => {
                self.snapshot = self.store.clone();
                Ok(())
            }
            Event::Trouble(trouble) => self.trouble(trouble),
            Event::Change(change) => self.change(change),
            Event::Apply(place, rules) => self.apply(place, rules),
            Event::Close(node, step) => self.close(node, step),
        }
    }

    fn tick(&mut self, place: Place) -> Result<(), String> {
        let (node, core) = place;
        if !self.nodes[node].is_alive {
            return Ok(());
        }
        let now = self.nodes[node].clock.now(self.at_ns);
        self.nodes[node].engines[core].tick(now);
        self.schedule(self.at_ns + TICK_NS, Event::Tick(place));
        self.carry(place)
    }

    fn deliver(&mut self, node: usize, to: usize, message: Message) -> Result<(), String> {
        if !self.nodes[node].is_alive {
            return Ok(());
        }
        if let Message::Rules(_) = message {
            self.judge.reloaded(node, self.at_ns);
        }
        let now = self.nodes[node].clock.now(self.at_ns);
        self.nodes[node].engines[to].on_message(message, now);
        self.carry((node, to))
    }

    /// A node measures the store's clock and tells its engines.
    pub fn sync(&mut self, node: usize) -> Result<(), String> {
        if !self.nodes[node].is_alive {
            return Ok(());
        }
        let error_ms = self.scenario.clock_error_ms;
        let spread_ms = if self.scenario.has_store() { error_ms - 2 } else { 0 };
        let mut wrong_ms = self.random.below(2 * spread_ms + 1) as i64 - spread_ms as i64;
        if node > 0 {
            wrong_ms += self.planted.clock_wrong_ms(&self.scenario);
        }
        let at_ns = self.at_ns;
        self.nodes[node].clock.measure(at_ns, wrong_ms);
        let again_ns = at_ns + (SYNC_MS + self.random.below(SYNC_MS)) * NS_PER_MS;
        if self.scenario.has_store() {
            self.schedule(again_ns, Event::Sync(node));
            (0..self.scenario.cores).try_for_each(|core| self.view((node, core)))?;
        }
        Ok(())
    }

    /// Tells an engine what is known of the store.
    pub fn view(&mut self, place: Place) -> Result<(), String> {
        let (node, core) = place;
        let nodes = self.nodes.iter().filter(|node| node.is_alive && node.is_open).count();
        let view = StoreView {
            is_up: self.nodes[node].connections[core].is_up,
            clock_offset_ms: self.nodes[node].clock.offset_ms,
            clock_error_ms: self.scenario.clock_error_ms,
            nodes: self.planted.nodes(nodes.max(1) as u64),
            incarnation: self.incarnation,
        };
        let now = self.nodes[node].clock.now(self.at_ns);
        self.nodes[node].engines[core].set_store(view, now);
        self.carry(place)
    }

    /// Carries what an engine has to say.
    pub fn carry(&mut self, place: Place) -> Result<(), String> {
        let (node, core) = place;
        let delay_max_ns = self.scenario.delay_max_us * 100;
        while self.nodes[node].engines[core].has_output() {
            for (to, message) in self.nodes[node].engines[core].take_messages() {
                let arrival_ns = self.at_ns + 1000 + self.random.below(delay_max_ns);
                let last_ns = &mut self.nodes[node].arrivals_ns[core][to];
                *last_ns = arrival_ns.max(*last_ns + 1);
                let arrival_ns = *last_ns;
                if self.planted == Planted::DoubledMessages
                    && let Some(copy) = crate::planted::copy(&message)
                {
                    self.schedule(arrival_ns, Event::Deliver(node, to, copy));
                }
                self.schedule(arrival_ns, Event::Deliver(node, to, message));
            }
            for call in self.nodes[node].engines[core].take_store_calls() {
                self.send(place, call);
            }
            for (ticket, verdict) in self.nodes[node].engines[core].take_finished() {
                self.finish(ticket, &verdict)?;
            }
        }
        Ok(())
    }

    /// The key of a call.
    pub fn key_of(command: &StoreCommand) -> &[u8] {
        match command {
            StoreCommand::Count { key, .. }
            | StoreCommand::Uncount { key, .. }
            | StoreCommand::Lease { key, .. } => key,
        }
    }
}
