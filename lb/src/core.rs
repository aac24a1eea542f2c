//! One core of the balancer: its sockets, and what an event of one of them sets in motion.
//!
//! Job: own everything of a core, and hand each event to whom it concerns. In: events of the net ring.
//! Out: calls of the HTTP side, the relay and the server side, each with the connections taken out.
//! Invariant: a connection that is taken out is put back before the next event; a socket that has been
//! closed keeps its place until the ring has let go of it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringlet_base::random::Random;
use ringlet_protocol::http1::{RequestHead, ResponseHead};
use ringlet_runtime::mesh::{Inbox, Mesh};
use ringlet_runtime::ring::{
    Errno, Event, ListenerId, NetRing, ReceiveEnd, ReceivedBuffer, SendData, SocketAddress,
    SocketId,
};
use ringlet_runtime::timers::TimerWheel;

use crate::access_log::CoreLog;
use crate::borrow::{Leaving, Mail};
use crate::checks::Watcher;
use crate::client::{Client, Phase, Stage};
use crate::line::Spares;
use crate::model::Mode;
use crate::pool::Pools;
use crate::rate_limit::Limiter;
use crate::shared::Shared;
use crate::snapshot::{ListenerShared, Snapshot};
use crate::upstream::{Places, Upstream};

/// How a request ends whose client does not stay for its end.
const CLIENT_LEFT: &str = "the client left";

/// One core.
pub struct Core {
    /// Its number.
    pub index: usize,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Its sockets.
    pub ring: NetRing,
    /// What it works by.
    pub snapshot: Arc<Snapshot>,
    /// Its view of the servers.
    pub pools: Pools,
    /// Connections of clients.
    pub clients: Places<Client>,
    /// Connections to servers.
    pub upstreams: Places<Upstream>,
    /// Checks and ejections that this core decides about.
    pub watcher: Watcher,
    /// Emptied buffers.
    pub spares: Spares,
    /// Its access log lines.
    pub log: CoreLog,
    /// Deadlines of clients.
    pub timers: TimerWheel<SocketId>,
    /// The monotonic clock.
    pub now_ms: i64,
    /// The same in microseconds.
    pub now_us: u64,
    /// For choices among servers.
    pub random: Random,
    /// The request's head that is being read.
    pub request_head: RequestHead,
    /// The response's head that is being read.
    pub response_head: ResponseHead,
    /// Clients whose next request has come with the last one.
    pub runnable: VecDeque<SocketId>,
    /// Where routers put paths in their normal form.
    pub path: Vec<u8>,
    /// Pools in which a place has become free.
    pub ready_pools: Vec<usize>,
    /// Its listening sockets.
    pub listeners: Vec<LocalListener>,
    /// The queues between cores.
    pub mesh: Arc<Mesh<Mail>>,
    /// This core's own.
    pub inbox: Inbox<Mail>,
    /// Questions for idle connections that are not answered yet.
    pub questions: usize,
    /// Connections on their way to other cores.
    pub leaving: Vec<Leaving>,
    /// Client connections of this core.
    pub client_count: usize,
    /// No new requests: the process ends.
    pub is_draining: bool,
    /// Its rate limiter, from the first rule on.
    pub limiter: Option<Box<Limiter>>,
}

/// A listening socket of a core.
pub struct LocalListener {
    /// In the ring.
    pub id: ListenerId,
    /// Which of all that were ever opened.
    pub number: u64,
    /// It takes nobody any more but those who wait in the kernel already.
    pub is_ending: bool,
    /// Whose it is.
    pub shared: Rc<Arc<ListenerShared>>,
}

impl Core {
    /// Hands an event to whom it concerns.
    pub fn on_event(&mut self, event: Event) {
        let Some(event) = self.on_store_event(event) else { return };
        match event {
            Event::Accepted { listener, socket } => self.accept(listener, socket),
            Event::AcceptFailed { errno, .. } => {
                tracing::warn!("cannot accept connections for a while: {errno}");
            }
            Event::Connected { socket, result } => self.on_connected(socket, result),
            Event::Received { socket, buffer } => self.on_received(socket, buffer),
            Event::ReceiveEnded { socket, end } => self.on_receive_ended(socket, end),
            Event::Sent { socket, data, result } => self.on_sent(socket, data, result),
            Event::Closed { socket } => self.on_closed(socket),
            Event::Detached { socket, fd } => self.on_detached(socket, fd),
            Event::ListenerClosed { listener } => {
                self.listeners.retain(|local| local.id != listener);
            }
            Event::Woken | Event::Tick => {}
        }
    }

    fn accept(&mut self, listener: ListenerId, socket: SocketId) {
        let Some(local) = self.listeners.iter().find(|local| local.id == listener) else {
            return self.ring.close(socket);
        };
        let shared = local.shared.clone();
        let peer = match self.ring.peer_address(socket) {
            Ok(SocketAddress::Ip(address)) => Some(address),
            Ok(SocketAddress::Unix(_)) => None,
            // It has gone already.
            Err(_) => return self.ring.close(socket),
        };
        let row = shared.state.rows.of(self.index);
        row.accepted.add(1);
        row.open.rise();
        self.client_count += 1;
        let total = self.shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let is_full = total > self.snapshot.global.connections_max
            || shared.state.rows.sum(|row| row.open.get()) > shared.config.connections_max;
        let phase = if shared.config.accepts_proxy { Phase::Proxy } else { Phase::Idle };
        let mut client = Box::new(Client::new(socket, shared, peer, phase));
        if is_full {
            self.turn_away(&mut client);
        } else {
            self.greet(&mut client);
        }
        self.clients.put(client);
    }

    /// A connection above the limit.
    fn turn_away(&mut self, client: &mut Client) {
        match client.listener.config.mode {
            Mode::Http => self.refuse(client, 503, "too many connections"),
            Mode::Tcp => {
                self.log_refusal(client, None, 0, "too many connections");
                self.reset_client(client);
            }
        }
    }

    /// A connection is ready for its first bytes.
    pub fn greet(&mut self, client: &mut Client) {
        let config = &client.listener.config;
        let first_ms = i64::from(config.timeouts.request_ms);
        match (client.phase, config.mode) {
            (Phase::Proxy, _) | (_, Mode::Http) => {
                self.set_deadline(client, first_ms);
                if client.line.is_drained() {
                    client.line.receive(&mut self.ring);
                } else {
                    self.on_client_bytes(client);
                }
            }
            (_, Mode::Tcp) => self.begin_tcp(client),
        }
    }

    /// A connection outlives reloads, so its next request goes by the present configuration of its
    /// listener. False if there is none any more: then it is the last.
    pub fn follow_reload(&self, client: &mut Client) -> bool {
        if client.generation == self.snapshot.generation {
            return true;
        }
        let (before, state) = (&client.listener.config, &client.listener.state);
        let is_same = |local: &&LocalListener| {
            !local.is_ending
                && Arc::ptr_eq(&local.shared.state, state)
                && local.shared.config.mode == before.mode
        };
        let Some(present) = self.listeners.iter().find(is_same) else { return false };
        client.listener = present.shared.clone();
        client.generation = self.snapshot.generation;
        true
    }

    fn on_received(&mut self, socket: SocketId, buffer: ReceivedBuffer) {
        let length = buffer.len() as u64;
        if let Some(mut client) = self.clients.take(socket) {
            if client.line.is_closing {
                self.ring.release(buffer);
            } else {
                client.listener.state.rows.of(self.index).bytes_in.add(length);
                client.line.take(buffer, &mut self.ring, &mut self.spares);
                self.on_client_bytes(&mut client);
            }
            self.clients.put(client);
        } else if let Some(mut upstream) = self.upstreams.take(socket) {
            if upstream.line.is_closing {
                self.ring.release(buffer);
            } else {
                upstream.server.rows.of(self.index).bytes_in.add(length);
                upstream.line.take(buffer, &mut self.ring, &mut self.spares);
                self.with_client_of(&mut upstream, Self::on_upstream_bytes, Self::on_stray_bytes);
            }
            self.upstreams.put(upstream);
        } else {
            self.on_probe_received(socket, buffer);
        }
    }

    /// Calls `busy` with the client that a server's connection works for, or `idle` if there is none.
    fn with_client_of(
        &mut self,
        upstream: &mut Upstream,
        busy: impl FnOnce(&mut Self, &mut Client, &mut Upstream),
        idle: impl FnOnce(&mut Self, &mut Upstream),
    ) {
        match upstream.client.and_then(|client| self.clients.take(client)) {
            Some(mut client) => {
                busy(self, &mut client, upstream);
                self.clients.put(client);
            }
            None => idle(self, upstream),
        }
    }

    /// What a server sends without having been asked would be taken for the next response.
    fn on_stray_bytes(&mut self, upstream: &mut Upstream) {
        tracing::debug!("server {} has sent bytes that nobody asked for", upstream.server.name);
        self.drop_idle(upstream);
    }

    /// Bytes of a client are there to be worked on.
    pub fn on_client_bytes(&mut self, client: &mut Client) {
        match client.phase {
            Phase::Proxy => self.read_proxy_header(client),
            Phase::Idle | Phase::Head => self.read_request(client),
            Phase::Exchange => self.with_upstream_of(client, Self::pump_request, Self::keep_bytes),
            Phase::Tunnel => self.with_upstream_of(client, Self::pump_up, Self::keep_bytes),
            Phase::Lingering => self.drop_bytes(client),
        }
    }

    /// Calls `attached` with the connection to the server if there is one, else `otherwise`.
    pub fn with_upstream_of(
        &mut self,
        client: &mut Client,
        attached: impl FnOnce(&mut Self, &mut Client, &mut Upstream),
        otherwise: impl FnOnce(&mut Self, &mut Client),
    ) {
        let id = client.exchange.as_ref().and_then(|exchange| exchange.upstream);
        match id.and_then(|id| self.upstreams.take(id)) {
            Some(mut upstream) => {
                if upstream.is_connected {
                    attached(self, client, &mut upstream);
                } else {
                    otherwise(self, client);
                }
                self.upstreams.put(upstream);
            }
            None => otherwise(self, client),
        }
    }

    /// Nobody can take them yet: the ring's buffer is not held meanwhile, and no more is received.
    fn keep_bytes(&mut self, client: &mut Client) {
        client.line.keep(&mut self.ring, &mut self.spares);
    }

    fn on_receive_ended(&mut self, socket: SocketId, end: ReceiveEnd) {
        if let Some(mut client) = self.clients.take(socket) {
            client.line.ended();
            if !client.line.is_closing {
                self.on_client_ended(&mut client, end);
            }
            self.clients.put(client);
        } else if let Some(mut upstream) = self.upstreams.take(socket) {
            upstream.line.ended();
            if !upstream.line.is_closing {
                let busy = |core: &mut Self, client: &mut Client, upstream: &mut Upstream| {
                    core.on_upstream_ended(client, upstream, end);
                };
                self.with_client_of(&mut upstream, busy, Self::drop_idle);
            }
            self.upstreams.put(upstream);
        } else {
            self.on_probe_receive_ended(socket, end);
        }
    }

    fn on_client_ended(&mut self, client: &mut Client, end: ReceiveEnd) {
        let is_broken = matches!(end, ReceiveEnd::Error(_));
        match client.phase {
            Phase::Head => {
                self.log_refusal(client, None, 0, "the client left within the head");
                if is_broken { self.close_client(client) } else { self.close_when_flushed(client) }
            }
            Phase::Idle if !is_broken => self.close_when_flushed(client),
            Phase::Proxy | Phase::Idle | Phase::Lingering => {
                self.close_client(client);
            }
            Phase::Tunnel if is_broken => self.reset_tunnel(client, CLIENT_LEFT),
            Phase::Tunnel => self.with_upstream_of(client, Self::pump_up, |_, _| {}),
            Phase::Exchange => {
                let needs_more =
                    client.exchange.as_ref().is_some_and(|exchange| !exchange.body.has_ended());
                // One that has ended its half after the request may still read.
                if is_broken || needs_more {
                    self.abort(client, CLIENT_LEFT);
                }
            }
        }
    }

    fn on_sent(&mut self, socket: SocketId, data: SendData, result: Result<(), Errno>) {
        self.spares.keep_sent(data);
        if let Some(mut client) = self.clients.take(socket) {
            let length = client.line.sent() as u64;
            if !client.line.is_closing {
                client.listener.state.rows.of(self.index).bytes_out.add(length);
                match result {
                    Ok(()) => self.on_client_sent(&mut client),
                    Err(_) => self.abort(&mut client, CLIENT_LEFT),
                }
            }
            self.clients.put(client);
        } else if let Some(mut upstream) = self.upstreams.take(socket) {
            let length = upstream.line.sent() as u64;
            if !upstream.line.is_closing {
                upstream.server.rows.of(self.index).bytes_out.add(length);
                // What the server has said before it broke the connection is still to be read.
                upstream.has_failed |= result.is_err();
                self.with_client_of(&mut upstream, Self::on_upstream_sent, |_, _| {});
            }
            self.upstreams.put(upstream);
        } else {
            self.on_probe_sent(socket);
        }
    }

    fn on_client_sent(&mut self, client: &mut Client) {
        client.line.flush(&mut self.ring);
        match client.phase {
            Phase::Exchange if client.exchange.is_some() => {
                let is_responding =
                    client.exchange.as_ref().is_some_and(|one| one.stage == Stage::Responding);
                if is_responding {
                    self.with_upstream_of(client, Self::pump_response, |_, _| {});
                }
            }
            Phase::Tunnel => self.with_upstream_of(client, Self::pump_down, |_, _| {}),
            _ if client.closes_after && client.line.is_flushed() => self.linger(client),
            // It had to take its responses before its next request.
            Phase::Idle if !client.line.is_backlogged() => self.await_request(client),
            _ => {}
        }
    }

    fn on_upstream_sent(&mut self, client: &mut Client, upstream: &mut Upstream) {
        match client.phase {
            Phase::Tunnel if upstream.has_failed => {
                self.reset_both(client, upstream, "the server broke the connection");
            }
            Phase::Tunnel => {
                upstream.line.flush(&mut self.ring);
                self.pump_up(client, upstream);
            }
            Phase::Exchange if !upstream.has_failed => {
                upstream.line.flush(&mut self.ring);
                self.pump_request(client, upstream);
            }
            _ => {}
        }
    }

    fn on_closed(&mut self, socket: SocketId) {
        if let Some(client) = self.clients.take(socket) {
            client.listener.state.rows.of(self.index).open.fall();
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            self.client_count -= 1;
        } else if let Some(upstream) = self.upstreams.take(socket) {
            upstream.server.rows.of(self.index).open.fall();
        } else {
            self.on_probe_closed(socket);
        }
    }

    /// The present phase of a client must be over after so many milliseconds.
    pub fn set_deadline(&mut self, client: &mut Client, after_ms: i64) {
        client.deadline_ms = self.now_ms + after_ms;
        // A timer that fires too early sets itself anew; so most requests touch no timer.
        match client.timer {
            Some((_, at_ms)) if at_ms <= client.deadline_ms => {}
            Some((timer, _)) => {
                self.timers.cancel(timer);
                self.arm_timer(client);
            }
            None => self.arm_timer(client),
        }
    }

    fn arm_timer(&mut self, client: &mut Client) {
        let timer = self.timers.insert(client.deadline_ms, client.line.socket);
        client.timer = Some((timer, client.deadline_ms));
    }

    /// A timer has fired.
    pub fn on_timer(&mut self, socket: SocketId) {
        let Some(mut client) = self.clients.take(socket) else { return };
        client.timer = None;
        if !client.line.is_closing {
            if self.now_ms < client.deadline_ms {
                self.arm_timer(&mut client);
            } else {
                self.on_deadline(&mut client);
            }
        }
        self.clients.put(client);
    }

    /// Closes a client's connection in good order.
    pub fn close_client(&mut self, client: &mut Client) {
        self.forget_timer(client);
        client.line.close(&mut self.ring, &mut self.spares);
    }

    /// Closes the connection of a client that asks for nothing more, once it has its last response.
    pub fn close_when_flushed(&mut self, client: &mut Client) {
        client.closes_after = true;
        client.phase = Phase::Idle;
        if client.line.is_flushed() {
            self.close_client(client);
        } else {
            client.line.drop_incoming(&mut self.ring, &mut self.spares);
        }
    }

    /// Closes it so that nobody takes what it got for all there was.
    pub fn reset_client(&mut self, client: &mut Client) {
        self.forget_timer(client);
        client.line.reset(&mut self.ring, &mut self.spares);
    }

    fn forget_timer(&mut self, client: &mut Client) {
        if let Some((timer, _)) = client.timer.take() {
            self.timers.cancel(timer);
        }
    }

    /// The last response is with the kernel: the client may read it before the connection goes.
    pub fn linger(&mut self, client: &mut Client) {
        // No byte is on its way that would turn the end into a reset.
        if client.line.has_ended || client.has_said_all {
            return self.close_client(client);
        }
        if client.phase != Phase::Lingering {
            client.phase = Phase::Lingering;
            client.line.finish_writing(&mut self.ring);
            self.set_deadline(client, crate::limits::LINGER_MS);
        }
        self.drop_bytes(client);
    }

    fn drop_bytes(&mut self, client: &mut Client) {
        client.dropped_bytes += client.line.bytes(&self.ring).len();
        client.line.drop_incoming(&mut self.ring, &mut self.spares);
        if client.dropped_bytes > crate::limits::LINGER_BYTES_MAX {
            return self.close_client(client);
        }
        client.line.receive(&mut self.ring);
    }

    /// Where a client has connected to: asked for only when a header must name it.
    pub fn local_address(&self, client: &mut Client) -> Option<SocketAddr> {
        if client.local.is_none()
            && let Ok(SocketAddress::Ip(address)) = self.ring.local_address(client.line.socket)
        {
            client.local = Some(address);
        }
        client.local
    }
}
