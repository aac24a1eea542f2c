//! Carries the limiter's calls to its store over a core's net ring.
//!
//! Job: do what a [`Link`] wants done with sockets, and look names up away from the core. In: events of
//! the ring, calls, the time. Out: replies. Invariant: an event of a socket that is not the carrier's
//! comes back untouched; a pass never waits.

#![forbid(unsafe_code)]

mod names;
pub mod station;

use ringlet_limit::store::link::{Link, LinkAction, LinkSettings, NodeId};
use ringlet_limit::store::{StoreCall, StoreReply, StoreView};
use ringlet_runtime::ring::{Event, NetRing, ReceiveEnd, SendData, SocketAddress, SocketId};
use ringlet_runtime::wake::WakeHandle;

use names::Names;

/// A connection of the link.
#[derive(Debug)]
struct Connection {
    /// The link's number for it; none once the link knows nothing of it any more.
    number: Option<u32>,
    socket: SocketId,
    is_connected: bool,
    is_sending: bool,
    /// What goes when the send in flight has ended.
    waiting: Vec<u8>,
}

/// One core's connections to the store.
pub struct Carrier {
    link: Link,
    connections: Vec<Connection>,
    names: Names,
}

impl Carrier {
    /// A carrier that begins to connect at the first `work`. `bell` rings the core.
    #[must_use]
    pub fn new(
        settings: LinkSettings,
        node: NodeId,
        seed: u64,
        now_ns: u64,
        bell: WakeHandle,
    ) -> Self {
        let link = Link::new(settings, node, seed, now_ns);
        Self { link, connections: Vec::new(), names: Names::new(bell) }
    }

    /// Hands calls in. Those that cannot be sent are answered at once.
    pub fn submit(&mut self, calls: Vec<StoreCall>, now_ns: u64) {
        self.link.submit(calls, now_ns);
    }

    /// Replies that have come.
    pub fn take_replies(&mut self) -> Vec<(u64, StoreReply)> {
        self.link.take_replies()
    }

    /// What is known of the store.
    #[must_use]
    pub fn view(&self) -> StoreView {
        self.link.view()
    }

    /// Whether no call is on its way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.link.is_idle()
    }

    /// Tells the store that this limiter is gone.
    pub fn leave(&mut self, now_ns: u64) {
        self.link.leave(now_ns);
    }

    /// Another core counts the limiters that share the store.
    pub fn set_nodes(&mut self, nodes: u64) {
        self.link.set_nodes(nodes);
    }

    /// Takes an event if it concerns the store; gives it back if not.
    pub fn on_event(&mut self, event: Event, ring: &mut NetRing, now_ns: u64) -> Option<Event> {
        if self.connections.is_empty() {
            return Some(event);
        }
        let Some(place) = socket_of(&event).and_then(|socket| self.place(socket)) else {
            return Some(event);
        };
        let number = self.connections[place].number;
        match event {
            Event::Connected { result, .. } => match (result, number) {
                (Ok(()), Some(number)) => {
                    let connection = &mut self.connections[place];
                    connection.is_connected = true;
                    ring.start_receive(connection.socket);
                    // Calls are small and wait for their replies.
                    let _ = ring.set_no_delay(connection.socket, true);
                    self.link.on_connected(number, now_ns);
                }
                (Err(errno), Some(number)) => self.lose(number, &errno.to_string(), ring, now_ns),
                (_, None) => {}
            },
            Event::Received { buffer, .. } => {
                if let Some(number) = number {
                    self.link.on_bytes(number, ring.bytes(&buffer), now_ns);
                }
                ring.release(buffer);
            }
            Event::ReceiveEnded { end, .. } => {
                if let Some(number) = number {
                    self.lose(number, &reason(end), ring, now_ns);
                }
            }
            Event::Sent { result, data, .. } => {
                self.connections[place].is_sending = false;
                match (result, number) {
                    (Err(errno), Some(number)) => {
                        self.lose(number, &errno.to_string(), ring, now_ns)
                    }
                    _ => self.connections[place].send_next(data, ring),
                }
            }
            Event::Closed { .. } => drop(self.connections.swap_remove(place)),
            event => return Some(event),
        }
        None
    }

    /// To be called in each pass: does what the link wants, at `now_ns` that was just read.
    pub fn work(&mut self, ring: &mut NetRing, now_ns: u64) {
        for (number, result) in self.names.take_results() {
            match result {
                Ok(address) => self.connect(number, &address, ring, now_ns),
                Err(error) => self.link.on_closed(number, &error, now_ns),
            }
        }
        for action in self.link.take_actions() {
            match action {
                LinkAction::Connect { connection, address } => {
                    // If it has to be looked up, a ring of the bell tells that it has been found.
                    if let Some(address) = self.names.look_up(connection, &address) {
                        self.connect(connection, &address, ring, now_ns);
                    }
                }
                LinkAction::Send { connection, bytes } => self.send(connection, bytes, ring),
                LinkAction::Close { connection } => self.close(connection, ring),
            }
        }
        for notice in self.link.take_notices() {
            tracing::warn!("{notice}");
        }
    }

    /// To be called with the core's tick.
    pub fn tick(&mut self, now_ns: u64) {
        self.link.tick(now_ns);
    }

    fn place(&self, socket: SocketId) -> Option<usize> {
        self.connections.iter().position(|connection| connection.socket == socket)
    }

    fn connect(&mut self, number: u32, address: &SocketAddress, ring: &mut NetRing, now_ns: u64) {
        match ring.connect(address) {
            Ok(socket) => self.connections.push(Connection {
                number: Some(number),
                socket,
                is_connected: false,
                is_sending: false,
                waiting: Vec::new(),
            }),
            Err(error) => self.link.on_closed(number, &error.to_string(), now_ns),
        }
    }

    fn send(&mut self, number: u32, bytes: Vec<u8>, ring: &mut NetRing) {
        let connection = self.connections.iter_mut().find(|one| one.number == Some(number));
        let Some(connection) = connection else { return };
        if connection.is_sending {
            connection.waiting.extend_from_slice(&bytes);
        } else {
            connection.is_sending = true;
            ring.send(connection.socket, SendData::Buffer(bytes));
        }
    }

    fn close(&mut self, number: u32, ring: &mut NetRing) {
        self.names.forget(number);
        if let Some(connection) = self.connections.iter_mut().find(|one| one.number == Some(number))
        {
            connection.number = None;
            ring.close(connection.socket);
        }
    }

    fn lose(&mut self, number: u32, reason: &str, ring: &mut NetRing, now_ns: u64) {
        self.close(number, ring);
        self.link.on_closed(number, reason, now_ns);
    }
}

impl Connection {
    fn send_next(&mut self, data: SendData, ring: &mut NetRing) {
        if self.waiting.is_empty() || self.number.is_none() {
            return;
        }
        // The memory of what was sent takes what comes next.
        let mut next = match data {
            SendData::Buffer(buffer) => buffer,
            SendData::Chunks(_) => Vec::new(),
        };
        next.clear();
        std::mem::swap(&mut next, &mut self.waiting);
        self.is_sending = true;
        ring.send(self.socket, SendData::Buffer(next));
    }
}

/// What is said of the end of a connection, behind the store's name.
fn reason(end: ReceiveEnd) -> String {
    match end {
        ReceiveEnd::EndOfStream => "the store has closed the connection".to_owned(),
        ReceiveEnd::Error(errno) => errno.to_string(),
    }
}

fn socket_of(event: &Event) -> Option<SocketId> {
    match event {
        Event::Connected { socket, .. }
        | Event::Received { socket, .. }
        | Event::ReceiveEnded { socket, .. }
        | Event::Sent { socket, .. }
        | Event::Closed { socket } => Some(*socket),
        _ => None,
    }
}
