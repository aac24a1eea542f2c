//! The way to the store, without a socket and without a clock.
//!
//! Job: carry calls to a Redis-compatible server or cluster and bring back what it says. In: calls, bytes
//! of connections, the time. Out: actions for whoever has sockets, replies, a view of the store, notices
//! for the log. Invariant: each call gets exactly one reply, by the first tick after its deadline; no
//! call is carried out twice; nobody waits for a sick store. One link serves one core.
//!
//! A call goes: `submit` -> `flight` (its commands) -> `server` (a connection) -> back by position.
//! `upkeep` connects, and asks for the time, the members and the cluster's slots.
//!
//! `now_ns` is the monotonic clock of `Now`. For the store's clock to be bounded truly it has to be read
//! *before* what a call writes is sent, and *after* what it is given was received.

mod breaker;
mod calls;
mod clock;
mod cluster;
mod flight;
mod greeting;
mod members;
mod server;
mod settings;
mod upkeep;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ringlet_base::random::Random;
use ringlet_protocol::Value;

use self::clock::StoreClock;
use self::cluster::SlotTable;
use self::flight::Flight;
use self::greeting::Step;
use self::members::Members;
use self::server::{Phase, Question, Server};
pub use self::settings::{LinkSettings, NodeId};
use super::{StoreReply, StoreView};

/// The server that is found through the settings: the store itself, or whom to ask for the cluster.
const DOOR: usize = 0;
/// More than that nobody reads at once.
const NOTICES_MAX: usize = 64;
const NOTICE_LETTERS_MAX: usize = 200;
/// About one server, until it is found well.
const TOLD_MAX: usize = 16;

/// What whoever has sockets is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkAction {
    /// Open a connection; `on_connected` or `on_closed` tells how it went.
    Connect {
        /// Its number, never used before.
        connection: u32,
        /// `host:port`.
        address: String,
    },
    /// Send.
    Send {
        /// On which.
        connection: u32,
        /// All of them, in order.
        bytes: Vec<u8>,
    },
    /// Close, also one that is not open yet or not any more; `on_closed` need not be called for it.
    Close {
        /// Which.
        connection: u32,
    },
}

/// One core's way to the store.
pub struct Link {
    settings: LinkSettings,
    node: NodeId,
    random: Random,
    /// The door, and behind it the primaries of a cluster.
    servers: Vec<Server>,
    slots: SlotTable,
    flights: BTreeMap<u64, Flight>,
    next_flight: u64,
    /// All before it are answered.
    first_open_flight: u64,
    next_connection: u32,
    next_address: usize,
    actions: Vec<LinkAction>,
    replies: Vec<(u64, StoreReply)>,
    notices: Vec<String>,
    clock: StoreClock,
    incarnation: u64,
    members: Members,
    members_key: Vec<u8>,
    heartbeat_ns: Option<u64>,
    slots_asked_ns: u64,
    are_slots_stale: bool,
    door_closed_ns: u64,
}

impl Link {
    /// A link that begins to connect at once. The seed makes the pauses between trials.
    #[must_use]
    pub fn new(settings: LinkSettings, node: NodeId, seed: u64, now_ns: u64) -> Self {
        let mut link = Self {
            members: Members::new(settings.nodes_min),
            members_key: format!("{}:nodes", settings.prefix).into_bytes(),
            settings,
            node,
            random: Random::new(seed),
            servers: vec![Server::new(String::new())],
            slots: SlotTable::default(),
            flights: BTreeMap::new(),
            next_flight: 0,
            first_open_flight: 0,
            next_connection: 0,
            next_address: 0,
            actions: Vec::new(),
            replies: Vec::new(),
            notices: Vec::new(),
            clock: StoreClock::default(),
            incarnation: 0,
            heartbeat_ns: None,
            slots_asked_ns: now_ns,
            are_slots_stale: false,
            door_closed_ns: now_ns,
        };
        link.tick(now_ns);
        link
    }

    /// A connection is open.
    pub fn on_connected(&mut self, connection: u32, now_ns: u64) {
        let Some(index) = self.server_with(connection) else { return };
        if self.servers[index].phase == Phase::Connecting {
            self.greet(index, now_ns);
        }
    }

    /// Bytes came.
    pub fn on_bytes(&mut self, connection: u32, bytes: &[u8], now_ns: u64) {
        let Some(index) = self.server_with(connection) else { return };
        self.servers[index].receive(bytes);
        // An answer may end the connection; then there are no more.
        loop {
            match self.servers[index].next_answer() {
                Ok(None) => break,
                Ok(Some((sent_ns, question, answer))) => {
                    self.on_answer(index, sent_ns, question, &answer, now_ns);
                }
                Err(reason) => self.lose(index, reason, now_ns),
            }
        }
    }

    /// A connection was closed by the other side, or could not be opened.
    pub fn on_closed(&mut self, connection: u32, reason: &str, now_ns: u64) {
        if let Some(index) = self.server_with(connection) {
            self.lose(index, reason, now_ns);
        }
    }

    /// What is to be done with sockets.
    pub fn take_actions(&mut self) -> Vec<LinkAction> {
        let mut actions = std::mem::take(&mut self.actions);
        for server in &mut self.servers {
            let bytes = server.take_output();
            if !bytes.is_empty() {
                actions.push(LinkAction::Send { connection: server.connection, bytes });
            }
        }
        actions
    }

    /// Replies, by the numbers of their calls.
    pub fn take_replies(&mut self) -> Vec<(u64, StoreReply)> {
        std::mem::take(&mut self.replies)
    }

    /// What an operator should know: one line each.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The store as it was at the last tick or answer.
    ///
    /// A cluster is up as soon as one of its servers is: calls for the others fail. Each has a clock; the
    /// offset is their middle and the error reaches to all of them. The incarnation settles when each
    /// was greeted once.
    #[must_use]
    pub fn view(&self) -> StoreView {
        let mut stores = self.servers.iter().skip(usize::from(self.settings.is_cluster));
        StoreView {
            is_up: stores.any(Server::is_up),
            clock_offset_ms: self.clock.offset_ms(),
            clock_error_ms: self.clock.error_ms(),
            nodes: self.members.nodes(),
            incarnation: self.incarnation,
        }
    }

    /// Whether no call waits for its reply.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.flights.range(self.first_open_flight..).next().is_none() && self.replies.is_empty()
    }

    /// What the node's link with the heartbeat has counted, for the others.
    pub fn set_nodes(&mut self, nodes: u64) {
        self.members.take_over(nodes);
    }

    fn server_with(&self, connection: u32) -> Option<usize> {
        self.servers.iter().position(|server| server.has(connection))
    }

    fn on_answer(
        &mut self,
        index: usize,
        sent_ns: u64,
        question: Question,
        answer: &Value,
        now_ns: u64,
    ) {
        match question {
            Question::Nothing => {}
            Question::Greeting(step) => self.on_greeting(index, step, answer, now_ns),
            Question::Time => self.on_time(index, sent_ns, answer, now_ns),
            Question::Slots => {
                self.on_slots(index, answer, now_ns);
            }
            Question::Script => {
                let server = &mut self.servers[index];
                server.is_script_sent = false;
                // An error leaves the way as it is: the next lease finds out again.
                let _ = server.facts.learn(Step::Script, answer);
            }
            Question::Members => {
                if let Value::Integer(nodes) = answer {
                    self.members.learn(u64::try_from(*nodes).unwrap_or(0), now_ns);
                }
            }
            Question::Call(number, part) => self.on_call(index, number, part, answer, now_ns),
        }
    }

    /// Notes something about a server for the log, once until it is well again. Some of it is the
    /// server's own words, which are not to command a terminal or fill a disk.
    fn tell(&mut self, index: usize, text: &str) {
        let printable = |letter: char| if letter.is_control() { '?' } else { letter };
        let text: String = text.chars().take(NOTICE_LETTERS_MAX).map(printable).collect();
        let server = &mut self.servers[index];
        let is_known = server.told.contains(&text);
        if !is_known && server.told.len() < TOLD_MAX && self.notices.len() < NOTICES_MAX {
            self.notices.push(format!("store {}: {text}", server.address));
            server.told.push(text);
        }
    }
}
