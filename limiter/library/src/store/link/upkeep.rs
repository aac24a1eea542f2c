//! What keeps the way to the store open.
//!
//! Job: connect, greet, probe and give up servers; keep the store's clock, the members and the cluster's
//! slots up to date. In: ticks, answers. Out: actions, commands. Invariant: a connection whose oldest
//! question has waited for longer than the patience is closed, so nothing waits for ever.

use std::collections::VecDeque;

use ringlet_base::number::parse_i64;
use ringlet_protocol::Value;

use super::breaker::Breaker;
use super::calls::LEASE_SCRIPT;
use super::cluster::{SlotTable, read_slots};
use super::greeting::{LeaseWay, Step, questions};
use super::members::{COMMANDS, COUNT_AT, INTERVAL_MS, farewell, sign_of_life};
use super::server::{Phase, Question, Server};
use super::{DOOR, Link, LinkAction};
use crate::time::NS_PER_MS;

/// For a connection with its greeting, and for any answer; a server that needs longer is as good as none.
const PATIENCE_MS: u64 = 1000;
/// Between two questions for the time when nothing else is asked.
const IDLE_TIME_INTERVAL_MS: u64 = 1000;
/// Between two questions for the slots, however many answers and failures show that they have changed.
const SLOTS_MS: u64 = 100;
/// Between two looks through the door while no server behind it is up.
const DOOR_MS: u64 = 1000;

impl Link {
    /// Deadlines, trials, signs of life: to be called every few milliseconds.
    pub fn tick(&mut self, now_ns: u64) {
        self.expire(now_ns);
        for index in 0..self.servers.len() {
            self.tend(index, now_ns);
        }
        if self.settings.is_cluster {
            self.tend_door(now_ns);
            self.tend_slots(now_ns);
        }
        if self.settings.is_heartbeat {
            self.give_sign_of_life(now_ns);
        }
        self.update_clock(now_ns);
    }

    fn patience_ms(&self) -> u64 {
        self.settings.timeout_ms.max(PATIENCE_MS)
    }

    /// Looks after one server.
    fn tend(&mut self, index: usize, now_ns: u64) {
        let patience_ms = self.patience_ms();
        let server = &mut self.servers[index];
        if server.is_retired {
            return;
        }
        let is_stalled = server
            .waits_since_ns()
            .is_some_and(|since_ns| has_passed(patience_ms, since_ns, now_ns));
        if is_stalled {
            self.lose(index, "it does not answer", now_ns);
        } else if server.breaker.is_overdue(now_ns) {
            match server.phase {
                Phase::Ready => server.breaker.open(now_ns, &mut self.random),
                _ => self.lose(index, "it takes too long to connect to", now_ns),
            }
        } else if server.breaker.is_due(now_ns) {
            match server.phase {
                Phase::Idle => self.connect(index, now_ns),
                _ => {
                    server.breaker.begin_trial(now_ns, self.settings.timeout_ms);
                    self.ask_time(index, 0, now_ns);
                }
            }
        } else if server.is_up() {
            self.ask_time(index, IDLE_TIME_INTERVAL_MS, now_ns);
        }
    }

    fn connect(&mut self, index: usize, now_ns: u64) {
        let patience_ms = self.patience_ms();
        let server = &mut self.servers[index];
        if index == DOOR {
            let addresses = &self.settings.addresses;
            let Some(at) = self.next_address.checked_rem(addresses.len()) else { return };
            server.address.clone_from(&addresses[at]);
            self.next_address = at + 1;
        }
        let connection = self.next_connection;
        self.next_connection = connection.wrapping_add(1);
        server.begin(connection);
        server.breaker.begin_trial(now_ns, patience_ms);
        self.actions.push(LinkAction::Connect { connection, address: server.address.clone() });
    }

    /// Asks all that is to be known first.
    pub(super) fn greet(&mut self, index: usize, now_ns: u64) {
        let questions = questions(&self.settings, &self.node);
        self.servers[index].phase = Phase::Greeting(questions.len());
        for (step, bytes) in questions {
            if step == Step::Name {
                // Before what takes the server longer, and after what lets us in.
                self.ask_time(index, 0, now_ns);
            }
            let server = &mut self.servers[index];
            server.output().1.extend_from_slice(&bytes);
            server.expect(Question::Greeting(step), now_ns);
        }
    }

    pub(super) fn on_greeting(&mut self, index: usize, step: Step, answer: &Value, now_ns: u64) {
        let server = &mut self.servers[index];
        let Phase::Greeting(left) = server.phase else { return };
        if let Err(reason) = server.facts.learn(step, answer) {
            self.lose(index, &reason, now_ns);
            return;
        }
        let mut left = left.saturating_sub(1);
        if step == Step::Lease && server.facts.lease == LeaseWay::None {
            let words = ["SCRIPT".into(), "LOAD".into(), LEASE_SCRIPT.into()];
            server.ask(Question::Greeting(Step::Script), &words, now_ns);
            left += 1;
        }
        server.phase = Phase::Greeting(left);
        if step == Step::Slots && !self.on_slots(index, answer, now_ns) {
            self.lose(index, "its CLUSTER SLOTS cannot be understood", now_ns);
        } else if left == 0 {
            self.on_greeted(index, now_ns);
        }
    }

    /// All is known: the server is used, or it is not.
    fn on_greeted(&mut self, index: usize, now_ns: u64) {
        let server = &mut self.servers[index];
        // Reading the slots may have shown that it is not wanted.
        if server.phase == Phase::Idle {
            return;
        }
        if server.clock.interval(now_ns).is_none() {
            self.lose(index, "it does not tell the time", now_ns);
        } else if self.settings.is_cluster && index == DOOR {
            self.retire(index, now_ns);
        } else if !self.settings.is_cluster && server.facts.is_replica {
            self.lose(index, "it is a replica", now_ns);
        } else {
            self.use_server(index, now_ns);
        }
    }

    fn use_server(&mut self, index: usize, now_ns: u64) {
        let server = &mut self.servers[index];
        server.phase = Phase::Ready;
        server.breaker.close();
        server.told.clear();
        if server.identity.as_ref() != Some(&server.facts.identity) {
            server.identity = Some(server.facts.identity.clone());
            self.incarnation += 1;
        }
        let facts = server.facts.clone();
        if let Some(policy) = facts.loose_policy {
            self.tell(
                index,
                &format!(
                    "maxmemory-policy {policy} may drop counters; use noeviction or volatile-ttl"
                ),
            );
        }
        if facts.lease == LeaseWay::None {
            self.tell(
                index,
                "it has no RL.LEASE and takes no scripts: buckets cannot be shared through it",
            );
        }
        // A store that has lost its memory is to hear of the node soon.
        self.heartbeat_ns = None;
        self.update_clock(now_ns);
    }

    /// Gives a connection up, with all that is expected of it.
    pub(super) fn lose(&mut self, index: usize, reason: &str, now_ns: u64) {
        self.servers[index].breaker.open(now_ns, &mut self.random);
        self.are_slots_stale = true;
        self.tell(index, reason);
        self.end(index, now_ns);
    }

    /// Wants a server no longer.
    fn retire(&mut self, index: usize, now_ns: u64) {
        let server = &mut self.servers[index];
        server.is_retired = true;
        server.identity = None;
        server.breaker = Breaker::new();
        if index == DOOR {
            self.door_closed_ns = now_ns;
        }
        self.end(index, now_ns);
    }

    fn end(&mut self, index: usize, now_ns: u64) {
        let server = &mut self.servers[index];
        if server.phase == Phase::Idle {
            return;
        }
        let expected: VecDeque<(u64, Question)> = server.end();
        self.actions.push(LinkAction::Close { connection: server.connection });
        for (_, question) in expected {
            if let Question::Call(number, _) = question {
                self.on_call_lost(number, now_ns);
            }
        }
    }

    /// Asks for the time unless that was done a short while ago.
    pub(super) fn ask_time(&mut self, index: usize, interval_ms: u64, now_ns: u64) {
        let server = &mut self.servers[index];
        if server.time_asked_ns.is_none_or(|asked_ns| has_passed(interval_ms, asked_ns, now_ns)) {
            server.time_asked_ns = Some(now_ns);
            server.ask(Question::Time, &["TIME".into()], now_ns);
        }
    }

    pub(super) fn on_time(&mut self, index: usize, sent_ns: u64, answer: &Value, now_ns: u64) {
        let Some(store_us) = read_time_us(answer) else { return };
        let server = &mut self.servers[index];
        server.clock.learn(store_us, sent_ns, now_ns);
        if server.phase == Phase::Ready && server.breaker.is_passed_by(sent_ns, now_ns) {
            server.breaker.close();
            server.told.clear();
        }
    }

    fn update_clock(&mut self, now_ns: u64) {
        let servers = self.servers.iter().filter(|server| server.is_up());
        self.clock.update(servers.filter_map(|server| server.clock.interval(now_ns)), now_ns);
    }

    fn give_sign_of_life(&mut self, now_ns: u64) {
        if self.heartbeat_ns.is_some_and(|last_ns| !has_passed(INTERVAL_MS, last_ns, now_ns)) {
            return;
        }
        let Some(index) = self.server_of(&self.members_key) else { return };
        let server = &mut self.servers[index];
        let Some(clock) = server.clock.interval(now_ns).filter(|_| server.is_up()) else { return };
        self.heartbeat_ns = Some(now_ns);
        let store_ms = clock.unix_ms(now_ns).0;
        sign_of_life(server.output().1, &self.members_key, self.node.as_str(), store_ms);
        for at in 0..COMMANDS {
            let question = if at == COUNT_AT { Question::Members } else { Question::Nothing };
            server.expect(question, now_ns);
        }
    }

    /// Tells the store that this node is gone, so that the others' shares grow at once.
    pub fn leave(&mut self, now_ns: u64) {
        if !std::mem::take(&mut self.settings.is_heartbeat) {
            return;
        }
        let Some(index) = self.server_of(&self.members_key) else { return };
        let server = &mut self.servers[index];
        if server.is_up() {
            farewell(server.output().1, &self.members_key, self.node.as_str());
            server.expect(Question::Nothing, now_ns);
        }
    }

    /// The door is needed only while no server behind it is up.
    fn tend_door(&mut self, now_ns: u64) {
        let is_any_up = self.servers.iter().skip(DOOR + 1).any(Server::is_up);
        let is_closed = self.servers[DOOR].is_retired;
        if is_any_up && !is_closed {
            self.retire(DOOR, now_ns);
        } else if !is_any_up && is_closed && has_passed(DOOR_MS, self.door_closed_ns, now_ns) {
            self.servers[DOOR].is_retired = false;
        }
    }

    /// Asks any server for the slots, if they may have changed.
    fn tend_slots(&mut self, now_ns: u64) {
        if !self.are_slots_stale || !has_passed(SLOTS_MS, self.slots_asked_ns, now_ns) {
            return;
        }
        let behind = DOOR + 1..self.servers.len();
        let up: Vec<usize> = behind.filter(|&index| self.servers[index].is_up()).collect();
        // Not always the same one: it might be the one that has not heard.
        let Some(&index) = up.get(self.random.below(up.len() as u64) as usize) else { return };
        self.are_slots_stale = false;
        self.slots_asked_ns = now_ns;
        self.servers[index].ask(Question::Slots, &["CLUSTER".into(), "SLOTS".into()], now_ns);
    }

    /// Takes a table of slots over; `false`: it is none.
    pub(super) fn on_slots(&mut self, index: usize, answer: &Value, now_ns: u64) -> bool {
        let Some(stretches) = read_slots(answer, &self.servers[index].address) else {
            return false;
        };
        for index in DOOR + 1..self.servers.len() {
            let server = &self.servers[index];
            let is_wanted = stretches.iter().any(|stretch| stretch.address == server.address);
            if !is_wanted && !server.is_retired {
                self.retire(index, now_ns);
            }
        }
        let mut rows = Vec::with_capacity(stretches.len());
        for stretch in stretches {
            let server = self.server_at(&stretch.address);
            rows.push((stretch, server));
        }
        self.slots = SlotTable::new(rows.into_iter());
        true
    }

    /// The server with an address, taken into use if it was not.
    fn server_at(&mut self, address: &str) -> usize {
        let mut behind = (DOOR + 1..).zip(self.servers.iter().skip(DOOR + 1));
        let known = behind.clone().find(|(_, server)| server.address == address);
        if let Some((index, _)) = known {
            self.servers[index].is_retired = false;
            return index;
        }
        let server = Server::new(address.to_owned());
        if let Some((index, _)) = behind.find(|(_, server)| server.is_retired) {
            self.servers[index] = server;
            return index;
        }
        self.servers.push(server);
        self.servers.len() - 1
    }
}

/// Whether so much has passed since.
fn has_passed(interval_ms: u64, since_ns: u64, now_ns: u64) -> bool {
    now_ns.saturating_sub(since_ns) >= interval_ms.saturating_mul(NS_PER_MS)
}

/// `[seconds, microseconds]`.
fn read_time_us(answer: &Value) -> Option<u64> {
    let Value::Array(numbers) = answer else { return None };
    let [Value::Bulk(seconds), Value::Bulk(microseconds)] = &numbers[..] else { return None };
    let number = |text: &[u8]| parse_i64(text).and_then(|number| u64::try_from(number).ok());
    number(seconds)?.checked_mul(1_000_000)?.checked_add(number(microseconds)?)
}
