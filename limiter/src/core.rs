//! One core: its connections, its part of the limiter, its way to the store.
//!
//! Job: hand events to the connections they concern, and verdicts to those that wait for them. In: events
//! of the net ring, posts of other cores, replies of the store. Out: answers. Invariant: a connection
//! that is worked on is taken out of its place, so nothing else touches it meanwhile.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringlet_base::random::Random;
use ringlet_limit::engine::outbox::Post;
use ringlet_limit::request::Verdict;
use ringlet_limit::time::Now;
use ringlet_runtime::mesh::{Inbox, Mesh};
use ringlet_runtime::ring::{Event, ListenerId, NetRing, SocketAddress, SocketId};

use crate::config::model::Protocol;
use crate::connection::Connection;
use crate::desk::{CoreDesk, Office};
use crate::front::{Desk, Flow, Front, grpc, http, resp};
use crate::limits::{IDLE_TIMEOUT_MS, MESSAGE_TIMEOUT_MS};
use crate::shared::{Shared, Snapshot};

/// A listening socket of a core.
pub struct LocalListener {
    /// In the ring.
    pub id: ListenerId,
    /// Its place in the shared list.
    pub place: usize,
}

/// One core.
pub struct Core {
    /// Its place.
    pub index: usize,
    /// Its sockets.
    pub ring: NetRing,
    /// Connections by the index of their socket.
    pub connections: Vec<Option<Box<Connection>>>,
    /// Connections of this core.
    pub connection_count: usize,
    /// What decides.
    pub office: Office,
    /// Where clients come in.
    pub listeners: Vec<LocalListener>,
    /// What a reload replaces.
    pub snapshot: Arc<Snapshot>,
    /// Number of the snapshot.
    pub generation: u64,
    /// The queues between cores.
    pub mesh: Arc<Mesh<Post>>,
    /// This core's own.
    pub inbox: Inbox<Post>,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// The time of this pass.
    pub now: Now,
    /// For ages of connections.
    pub random: Random,
    /// No new connections: the process ends.
    pub is_draining: bool,
    /// Cores to be rung; kept for its memory.
    pub rung: Vec<usize>,
}

impl Core {
    /// The time of this pass in milliseconds of the monotonic clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        (self.now.monotonic_ns / 1_000_000) as i64
    }

    /// Hands an event to whom it concerns.
    pub fn on_event(&mut self, event: Event) {
        let now_ns = self.now.monotonic_ns;
        let event = self.office.station.on_event(event, &mut self.ring, now_ns);
        let Some(event) = event else { return };
        match event {
            Event::Accepted { listener, socket } => self.accept(listener, socket),
            Event::AcceptFailed { errno, .. } => {
                tracing::warn!("cannot accept connections for a while: {errno}");
            }
            Event::Received { socket, buffer } => {
                self.with_connection(socket, |core, connection| {
                    if connection.is_open() {
                        let bytes = core.ring.bytes(&buffer);
                        let Connection { front, out, .. } = connection;
                        let mut desk = desk(&mut core.office, socket, core.now, core.is_draining);
                        let flow = front.receive(bytes, &mut desk, out);
                        let now_ms = core.now_ms();
                        connection.follow(flow, now_ms, &mut core.ring);
                    }
                });
                self.ring.release(buffer);
            }
            Event::ReceiveEnded { socket, .. } => {
                self.with_connection(socket, |core, connection| {
                    connection.has_peer_ended = true;
                    core.tell(connection, |front, desk, out| front.end_of_stream(desk, out));
                })
            }
            Event::Sent { socket, data, result } => {
                self.with_connection(socket, |core, connection| match result {
                    Ok(()) => {
                        connection.sent(data, &mut core.ring);
                        if connection.may_resume() {
                            core.tell(connection, |front, desk, out| front.resume(desk, out));
                        }
                    }
                    Err(_) => connection.close(&mut core.ring),
                });
            }
            Event::Closed { socket } => self.on_closed(socket),
            Event::ListenerClosed { listener } => {
                self.listeners.retain(|local| local.id != listener);
            }
            Event::Connected { .. } | Event::Detached { .. } | Event::Woken | Event::Tick => {}
        }
    }

    /// Hands a verdict that was still to come to who waits for it.
    pub fn on_verdict(&mut self, ticket: u64, verdict: &Verdict) {
        let Some((socket, ticket)) = self.office.finish(ticket, verdict, self.now) else { return };
        self.with_connection(socket, |core, connection| {
            core.tell(connection, |front, desk, out| front.answer(ticket, verdict, desk, out));
        });
    }

    /// Hands all connections the present settings of their listeners: some stay open for days.
    pub fn apply_fronts(&mut self) {
        for connection in self.connections.iter_mut().flatten() {
            connection.front.apply(&self.snapshot.fronts[connection.listener]);
        }
    }

    /// Tells all connections that the process is about to end.
    pub fn drain_connections(&mut self) {
        for socket in self.sockets() {
            self.with_connection(socket, |core, connection| {
                core.tell(connection, |front, desk, out| front.drain(desk, out));
            });
        }
    }

    /// Closes connections whose peers owe something for too long, or have not been heard of.
    pub fn sweep(&mut self) {
        let now_ms = self.now_ms();
        for socket in self.sockets() {
            self.with_connection(socket, |core, connection| {
                let is_late = connection
                    .in_message_since_ms
                    .is_some_and(|since| now_ms - since > MESSAGE_TIMEOUT_MS);
                if is_late || now_ms - connection.active_ms > IDLE_TIMEOUT_MS {
                    connection.close(&mut core.ring);
                }
            });
        }
    }

    /// Closes all connections, as the time to end orderly is over.
    pub fn close_all(&mut self) {
        for socket in self.sockets() {
            self.with_connection(socket, |core, connection| connection.close(&mut core.ring));
        }
    }

    fn sockets(&self) -> Vec<SocketId> {
        self.connections.iter().flatten().map(|connection| connection.socket).collect()
    }

    fn tell(
        &mut self,
        connection: &mut Connection,
        act: impl FnOnce(&mut dyn Front, &mut dyn Desk, &mut Vec<u8>) -> Flow,
    ) {
        if !connection.is_open() {
            return;
        }
        let Connection { socket, front, out, .. } = connection;
        let mut desk = desk(&mut self.office, *socket, self.now, self.is_draining);
        let flow = act(front.as_mut(), &mut desk, out);
        let now_ms = self.now_ms();
        connection.follow(flow, now_ms, &mut self.ring);
    }

    fn with_connection(&mut self, socket: SocketId, act: impl FnOnce(&mut Self, &mut Connection)) {
        let Some(place) = self.connections.get_mut(socket.index()) else { return };
        let Some(mut connection) = place.take_if(|connection| connection.socket == socket) else {
            return;
        };
        act(self, &mut connection);
        self.connections[socket.index()] = Some(connection);
    }

    fn accept(&mut self, listener: ListenerId, socket: SocketId) {
        let place = self.listeners.iter().find(|local| local.id == listener);
        let connections = self.shared.connections.load(Ordering::Relaxed);
        let is_full = connections >= self.shared.connections_max;
        let (Some(place), false) = (place.map(|local| local.place), is_full) else {
            return self.ring.close(socket);
        };
        let peer = match self.ring.peer_address(socket) {
            Ok(SocketAddress::Ip(address)) => Some(address.ip()),
            Ok(SocketAddress::Unix(_)) => None,
            // It has gone already.
            Err(_) => return self.ring.close(socket),
        };
        let front = self.front(place, peer);
        let connection = Box::new(Connection::new(socket, place, front, self.now_ms()));
        if self.connections.len() <= socket.index() {
            self.connections.resize_with(socket.index() + 1, || None);
        }
        self.connections[socket.index()] = Some(connection);
        self.connection_count += 1;
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let report = &mut self.office.counters.report;
        report.accepted[place] += 1;
        report.connections[place] += 1;
        self.ring.start_receive(socket);
    }

    fn front(&mut self, place: usize, peer: Option<IpAddr>) -> Box<dyn Front> {
        let settings = self.snapshot.fronts[place].clone();
        match self.shared.listeners[place].protocol {
            Protocol::Http => Box::new(http::HttpFront::new(settings, peer)),
            Protocol::Grpc => {
                let random = self.random.next_u64();
                Box::new(grpc::Connection::new(grpc::Settings::default(), self.now, random))
            }
            Protocol::Resp => Box::new(resp::RespFront::new(self.random.next_u64() >> 1)),
        }
    }

    fn on_closed(&mut self, socket: SocketId) {
        let Some(place) = self.connections.get_mut(socket.index()) else { return };
        let closed = place.take_if(|connection| connection.socket == socket);
        if let Some(connection) = closed {
            self.connection_count -= 1;
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            self.office.counters.report.connections[connection.listener] -= 1;
        }
    }
}

fn desk(office: &mut Office, socket: SocketId, now: Now, is_draining: bool) -> CoreDesk<'_> {
    CoreDesk { office, socket, now, is_draining }
}
