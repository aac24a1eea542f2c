//! Calls: out, back, again, and too late.
//!
//! Job: give each call to the server that has its key, and each reply to its call. In: calls, answers, the
//! time. Out: commands, replies. Invariant: a call leaves the table only when no answer to it can come
//! any more, so the bound of the table bounds all queues.

use ringlet_protocol::Value;

use super::flight::{Again, Flight, Health, Part};
use super::server::{Phase, Question};
use super::{DOOR, Link};
use crate::store::{StoreCall, StoreCommand, StoreReply};
use crate::time::NS_PER_MS;

/// The script for stores that have no `RL.LEASE`.
pub(super) const LEASE_SCRIPT: &str = include_str!("../lease.lua");
/// Between two questions for the time in one pipeline.
const TIME_INTERVAL_MS: u64 = 100;

impl Link {
    /// Sends calls, all in one go. A call whose server is not up, or that is one too many, is answered
    /// `Failed` at once.
    pub fn submit(&mut self, calls: Vec<StoreCall>, now_ns: u64) {
        for StoreCall { id, command } in calls {
            if let Some(reply) = self.begin(id, command, now_ns) {
                self.replies.push((id, reply));
            }
        }
    }

    /// Sends a call, or says the reply that it has without being sent.
    fn begin(&mut self, id: u64, command: StoreCommand, now_ns: u64) -> Option<StoreReply> {
        let Some(index) = self.server_of(Flight::key_of(&command)) else {
            // Nobody had the slot when the slots were read.
            self.are_slots_stale = true;
            return Some(StoreReply::Failed);
        };
        if !self.servers[index].is_up() || self.flights.len() >= self.settings.calls_max {
            return Some(StoreReply::Failed);
        }
        if let StoreCommand::Uncount { before_ms, .. } = &command {
            let clock = self.servers[index].clock.interval(now_ns);
            if clock.is_none_or(|clock| clock.unix_ms(now_ns).1 >= *before_ms) {
                return Some(StoreReply::Uncounted);
            }
        }
        // First, so that the time it takes is the way's and not the calls'.
        self.ask_time(index, TIME_INTERVAL_MS, now_ns);
        let deadline_ns = now_ns.saturating_add(self.settings.timeout_ms.saturating_mul(NS_PER_MS));
        let flight = Flight::new(id, command, deadline_ns, index);
        let (number, parts) = (self.next_flight, flight.parts());
        self.flights.insert(number, flight);
        self.next_flight += 1;
        if self.send_parts(number, index, parts, false, now_ns) == 0 {
            self.flights.remove(&number);
            return Some(StoreReply::Failed);
        }
        None
    }

    /// The server that has a key.
    pub(super) fn server_of(&self, key: &[u8]) -> Option<usize> {
        if self.settings.is_cluster { self.slots.server_of(key) } else { Some(DOOR) }
    }

    /// Writes parts of a call; how many.
    fn send_parts(
        &mut self,
        number: u64,
        index: usize,
        parts: &[Part],
        is_asking: bool,
        now_ns: u64,
    ) -> u8 {
        let Some(flight) = self.flights.get_mut(&number) else { return 0 };
        let server = &mut self.servers[index];
        flight.server = index;
        let mut sent = 0;
        for &part in parts {
            if is_asking {
                server.ask(Question::Nothing, &["ASKING".into()], now_ns);
            }
            let (facts, output) = server.output();
            if flight.write(part, facts, self.node.as_str(), output) {
                server.expect(Question::Call(number, part), now_ns);
                sent += 1;
            }
        }
        flight.outstanding += sent;
        sent
    }

    /// An answer to a part of a call.
    pub(super) fn on_call(
        &mut self,
        index: usize,
        number: u64,
        part: Part,
        answer: &Value,
        now_ns: u64,
    ) {
        if let Some(flight) = self.flights.get_mut(&number) {
            flight.learn(part, answer, &self.servers[index].address);
            self.settle(number, now_ns);
        }
    }

    /// A part of a call whose answer will not come.
    pub(super) fn on_call_lost(&mut self, number: u64, now_ns: u64) {
        if let Some(flight) = self.flights.get_mut(&number) {
            flight.outstanding = flight.outstanding.saturating_sub(1);
            self.settle(number, now_ns);
        }
    }

    /// Ends a call to which all answers have come, unless something of it goes again.
    fn settle(&mut self, number: u64, now_ns: u64) {
        let Some(flight) = self.flights.get_mut(&number) else { return };
        if flight.outstanding > 0 {
            return;
        }
        let index = flight.server;
        if let Some((again, parts)) = flight.take_again()
            && self.send_again(number, index, &again, &parts, now_ns)
        {
            return;
        }
        let Some(flight) = self.flights.remove(&number) else { return };
        if flight.is_answered {
            return;
        }
        self.replies.push((flight.id, flight.reply()));
        if let Some(refusal) = &flight.refusal {
            self.tell(index, refusal);
        }
        match flight.health {
            Health::Well => self.servers[index].breaker.on_success(),
            Health::Replica if !self.settings.is_cluster => {
                self.lose(index, "it is a replica", now_ns);
            }
            Health::Sick | Health::Replica => {
                self.are_slots_stale = true;
                self.on_failure(index, now_ns);
            }
        }
    }

    /// Sends what was not carried out to where it will be, if that can be asked now.
    fn send_again(
        &mut self,
        number: u64,
        index: usize,
        again: &Again,
        parts: &[Part],
        now_ns: u64,
    ) -> bool {
        let target = match again {
            Again::LoadScript => {
                let server = &mut self.servers[index];
                if server.phase != Phase::Ready {
                    return false;
                }
                if !server.is_script_sent {
                    server.is_script_sent = true;
                    let words = ["SCRIPT".into(), "LOAD".into(), LEASE_SCRIPT.into()];
                    server.ask(Question::Script, &words, now_ns);
                }
                index
            }
            Again::Moved(address) | Again::Ask(address) => {
                if !self.settings.is_cluster {
                    self.tell(
                        index,
                        "it is part of a cluster, and the configuration says that it is not",
                    );
                    return false;
                }
                self.are_slots_stale |= matches!(again, Again::Moved(_));
                // One that is not known yet will be by the next call, when the slots have been read again.
                let known = self.servers.iter().skip(DOOR + 1).position(|server| {
                    server.address == *address && !server.is_retired && server.is_up()
                });
                let Some(known) = known else { return false };
                known + DOOR + 1
            }
        };
        self.send_parts(number, target, parts, matches!(again, Again::Ask(_)), now_ns) > 0
    }

    /// Answers the calls whose deadline has passed.
    pub(super) fn expire(&mut self, now_ns: u64) {
        // All have the same patience, so they come in the order of their deadlines.
        while let Some((&number, flight)) = self.flights.range_mut(self.first_open_flight..).next()
        {
            if flight.deadline_ns > now_ns {
                return;
            }
            self.first_open_flight = number + 1;
            flight.is_answered = true;
            let (id, index) = (flight.id, flight.server);
            self.replies.push((id, StoreReply::Failed));
            self.on_failure(index, now_ns);
        }
    }

    fn on_failure(&mut self, index: usize, now_ns: u64) {
        let server = &mut self.servers[index];
        let was_closed = server.breaker.is_closed();
        server.breaker.on_failure(now_ns, &mut self.random);
        if was_closed && !server.breaker.is_closed() {
            self.tell(
                index,
                "it fails or does not answer in time; nothing is asked of it for a while",
            );
        }
    }
}
