//! Calls between the nodes and the store, and what happens to store and nodes.
//!
//! Job: carry calls as the network lets them, break connections, lose data, start and stop nodes. In:
//! events. Out: calls of the engines and of the store. Invariant: an engine gets one reply for each call,
//! and no call is carried out twice unless that is planted.

use std::sync::Arc;

use ringlet_limit::rules::RuleSet;
use ringlet_limit::store::{StoreCall, StoreCommand, StoreReply};

use crate::ledger::BASE_MS;
use crate::node::Node;
use crate::planted::Planted;
use crate::scenario::{Change, Trouble};
use crate::store::Store;
use crate::world::{Event, NS_PER_MS, Place, World};

impl World {
    /// An engine calls the store.
    pub fn send(&mut self, place: Place, mut call: StoreCall) {
        let (node, core) = place;
        let at_ns = self.at_ns;
        let connection = &mut self.nodes[node].connections[core];
        let generation = connection.generation;
        self.calls.insert((place, generation, call.id), ());
        if !connection.is_up {
            self.schedule(at_ns, Event::Reply(place, generation, call.id, StoreReply::Failed));
            return;
        }
        if let StoreCommand::Uncount { before_ms, .. } = call.command {
            let now_ms = self.nodes[node].clock.now(at_ns).unix_ms;
            if now_ms + self.scenario.clock_error_ms >= before_ms {
                let reply = StoreReply::Failed;
                self.schedule(at_ns, Event::Reply(place, generation, call.id, reply));
                return;
            }
        }
        let connection = &mut self.nodes[node].connections[core];
        let mut fate = connection.send(&self.scenario, &mut self.random, at_ns);
        if let StoreCommand::Uncount { before_ms, expire_at_ms, .. } = &mut call.command
            && matches!(self.planted, Planted::ReturnAfterExpiry | Planted::LostTaper)
        {
            // The node hears that it is done, but it lies about somewhere.
            if let Some(answered_ns) = fate.answered_ns.take() {
                let reply = StoreReply::Uncounted;
                self.schedule(answered_ns, Event::Reply(place, generation, call.id, reply));
            }
            let there_ns = (*before_ms - BASE_MS) * NS_PER_MS;
            fate.carried_out_ns = Some(match self.planted {
                Planted::LostTaper => there_ns,
                _ => there_ns + 10_000 * NS_PER_MS,
            });
            if self.planted == Planted::ReturnAfterExpiry {
                // It brings its key back for ever.
                *expire_at_ms = u64::MAX;
            }
        }
        self.schedule(fate.given_up_ns, Event::GiveUp(place, generation, call.id));
        if let Some(carried_out_ns) = fate.carried_out_ns {
            let is_count = matches!(call.command, StoreCommand::Count { .. });
            if self.planted == Planted::RetriedCount && is_count && self.random.below(4) == 0 {
                let copy = Event::Execute(place, generation, call.clone(), None);
                self.schedule(carried_out_ns, copy);
            }
            let event = Event::Execute(place, generation, call, fate.answered_ns);
            self.schedule(carried_out_ns, event);
        }
    }

    /// The store carries a call out.
    pub fn execute(
        &mut self,
        place: Place,
        generation: u64,
        call: &StoreCall,
        answered_ns: Option<u64>,
    ) -> Result<(), String> {
        let now_ms = BASE_MS + self.at_ns / NS_PER_MS;
        let reply = self.store.execute(place.0, &call.command, now_ms);
        self.judge.stored(&self.scenario, Self::key_of(&call.command), &self.store, now_ms)?;
        if let Some(answered_ns) = answered_ns {
            let reply = self.planted.reply(reply);
            self.schedule(answered_ns, Event::Reply(place, generation, call.id, reply));
        }
        Ok(())
    }

    pub fn answer(&mut self, place: Place, id: u64, reply: StoreReply) -> Result<(), String> {
        let (node, core) = place;
        if !self.nodes[node].is_alive {
            return Ok(());
        }
        let now = self.nodes[node].clock.now(self.at_ns);
        self.nodes[node].engines[core].on_store(id, reply, now);
        self.carry(place)
    }

    /// A connection is lost: nobody knows what became of the calls on it.
    pub fn disconnect(&mut self, place: Place) -> Result<(), String> {
        let (node, core) = place;
        let connection = &mut self.nodes[node].connections[core];
        let generation = connection.generation;
        connection.replace();
        let first = (place, generation, 0);
        let lost: Vec<_> = self.calls.range(first..=(place, generation, u64::MAX)).collect();
        let lost: Vec<u64> = lost.into_iter().map(|((_, _, id), ())| *id).collect();
        let again_ns = self.at_ns + self.random.below(20 * NS_PER_MS);
        self.schedule(again_ns, Event::Reconnect(place));
        if !self.nodes[node].is_alive {
            return Ok(());
        }
        self.view(place)?;
        for id in lost {
            self.calls.remove(&(place, generation, id));
            self.answer(place, id, StoreReply::Failed)?;
        }
        Ok(())
    }

    pub fn reconnect(&mut self, place: Place) -> Result<(), String> {
        let at_ms = self.at_ns / NS_PER_MS;
        let is_away = |trouble: &Trouble| match *trouble {
            Trouble::Outage { from_ms, to_ms } => (from_ms..to_ms).contains(&at_ms),
            _ => false,
        };
        if self.scenario.troubles.iter().any(is_away) {
            let again_ns = self.at_ns + (1 + self.random.below(20)) * NS_PER_MS;
            self.schedule(again_ns, Event::Reconnect(place));
            return Ok(());
        }
        let (node, core) = place;
        self.nodes[node].connections[core].is_up = true;
        if self.nodes[node].is_alive { self.view(place) } else { Ok(()) }
    }

    pub fn trouble(&mut self, trouble: Trouble) -> Result<(), String> {
        let after = match trouble {
            Trouble::Flush { .. } => Store::default(),
            Trouble::Failover { .. } => self.snapshot.clone(),
            Trouble::Outage { .. } | Trouble::Pause { .. } => return Ok(()),
        };
        let now_ms = BASE_MS + self.at_ns / NS_PER_MS;
        self.judge.lost(&self.scenario, &self.store, &after, now_ms);
        self.store = after;
        if let Trouble::Failover { .. } = trouble {
            self.incarnation += 1;
            for node in 0..self.nodes.len() {
                for core in 0..self.scenario.cores {
                    self.disconnect((node, core))?;
                }
            }
        }
        Ok(())
    }

    /// A node comes.
    pub fn join(&mut self) {
        let at_ns = self.at_ns;
        let reloads = self.nodes.iter().map(|node| node.reloads).max().unwrap_or(0);
        let believed = self.planted.believed(&self.scenario);
        self.nodes.push(Node::new(&believed, &mut self.random, reloads));
        let node = self.nodes.len() - 1;
        // It takes no requests before it has asked for the time.
        self.schedule(at_ns, Event::Sync(node));
        for core in 0..self.scenario.cores {
            let first_ns = at_ns + self.random.below(10 * NS_PER_MS);
            self.schedule(first_ns, Event::Tick((node, core)));
        }
    }

    pub fn change(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::Join => self.join(),
            Change::Leave(node) => return self.close(node, 0),
            Change::Crash(node) => {
                self.nodes[node].is_open = false;
                self.nodes[node].is_alive = false;
                self.judge.forget(node);
            }
            Change::Reload(node) => {
                let hash_seed = self.nodes[node].hash_seed;
                let rules = self.nodes[node].reload(&self.scenario, hash_seed);
                for core in 0..self.scenario.cores {
                    let at_ns = self.at_ns + self.random.below(2 * NS_PER_MS);
                    self.schedule(at_ns, Event::Apply((node, core), Arc::clone(&rules)));
                }
            }
        }
        Ok(())
    }

    /// A node ends: first it gives back what it can, then what comes back from its own cores.
    pub fn close(&mut self, node: usize, step: u8) -> Result<(), String> {
        if !self.nodes[node].is_alive {
            return Ok(());
        }
        self.nodes[node].is_open = false;
        if step == 2 {
            self.nodes[node].is_alive = false;
            self.judge.forget(node);
            return Ok(());
        }
        let now = self.nodes[node].clock.now(self.at_ns);
        for core in 0..self.scenario.cores {
            self.nodes[node].engines[core].shut_down(now);
            self.carry((node, core))?;
        }
        self.schedule(self.at_ns + 50 * NS_PER_MS, Event::Close(node, step + 1));
        Ok(())
    }

    pub fn apply(&mut self, place: Place, rules: Arc<RuleSet>) -> Result<(), String> {
        let (node, core) = place;
        if !self.nodes[node].is_alive {
            return Ok(());
        }
        let now = self.nodes[node].clock.now(self.at_ns);
        self.judge.reloaded(node, self.at_ns);
        self.nodes[node].engines[core].apply(rules, now);
        self.carry(place)
    }
}
