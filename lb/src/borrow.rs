//! Idle connections that move from one core to another.
//!
//! Job: spare a server a new connection when another core has an idle one to it. In: requests without a
//! connection, messages of other cores. Out: descriptors that change hands.
//! Invariant: every question is answered once; a connection belongs to one core at any time; a core keeps
//! its last idle connection to a server, and has a bounded number of questions on their way, so that
//! the mesh never overflows.
//!
//! Why move the connection and not the request: a request on another core would cost two hops each for
//! its head, its body and its response; a connection is moved once and then stays.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use ringlet_limit::engine::outbox::Post;
use ringlet_runtime::ring::SocketId;

use crate::client::{Client, Stage};
use crate::core::Core;
use crate::limits::QUESTIONS_MAX;
use crate::state::ServerState;
use crate::upstream::Upstream;

/// What cores say to each other.
#[derive(Debug)]
pub enum Mail {
    /// `from` would like an idle connection to a server.
    Question {
        /// Who asks.
        from: usize,
        /// The server's slot.
        server: usize,
        /// For which of its clients.
        client: SocketId,
    },
    /// The answer.
    Answer {
        /// The server's slot.
        server: usize,
        /// For which client.
        client: SocketId,
        /// The connection, if there was one to spare.
        connection: Option<Lent>,
    },
    /// For the rate limiter.
    Limit(Post),
}

/// A connection on its way to another core.
#[derive(Debug)]
pub struct Lent {
    descriptor: OwnedFd,
    /// Where it goes: by the time it arrives, a reload may have given the slot to another server.
    server: Arc<ServerState>,
    created_ms: i64,
    requests: u32,
}

/// A connection that is being taken out of this core's ring.
#[derive(Copy, Clone, Debug)]
pub struct Leaving {
    socket: SocketId,
    to: usize,
    server: usize,
    client: SocketId,
}

impl Core {
    /// Asks the core with the most idle connections to a server for one; false if there is none to ask.
    pub fn borrow_connection(&mut self, client: &mut Client, server: usize) -> bool {
        // A core that has drained is gone, and answers nothing.
        let may_ask = self.shared.bells.len() > 1 && !self.is_draining;
        if !may_ask || self.questions >= QUESTIONS_MAX {
            return false;
        }
        let Some(local) = self.pools.server(server) else { return false };
        let rows = local.state.rows.iter().map(|row| row.idle.get()).enumerate();
        let others = rows.filter(|(core, idle)| *core != self.index && *idle > 1);
        let Some((lender, _)) = others.max_by_key(|(_, idle)| *idle) else { return false };
        let Some(exchange) = &mut client.exchange else { return false };
        exchange.stage = Stage::Connecting;
        let connect_ms = i64::from(exchange.pool.config.timeouts.connect_ms);
        client.line.keep(&mut self.ring, &mut self.spares);
        self.questions += 1;
        let question = Mail::Question { from: self.index, server, client: client.line.socket };
        self.mail(lender, question);
        self.set_deadline(client, connect_ms);
        true
    }

    /// Works off what other cores have sent.
    pub fn take_mail(&mut self) {
        while let Some(mail) = self.inbox.receive() {
            match mail {
                Mail::Question { from, server, client } => self.lend(from, server, client),
                Mail::Answer { server, client, connection } => {
                    self.questions -= 1;
                    self.take_answer(server, client, connection);
                }
                Mail::Limit(post) => self.on_limit_post(post),
            }
        }
    }

    fn lend(&mut self, to: usize, server: usize, client: SocketId) {
        let idle = self.pools.server(server).filter(|local| local.idle.len() > 1);
        // The one that has waited longest: the others are warmer here.
        let socket = idle.and_then(|local| local.idle.pop_oldest());
        let is_open = |socket: &SocketId| {
            self.upstreams
                .get(*socket)
                .is_some_and(|one| !one.line.is_closing && !one.line.has_ended)
        };
        match socket.filter(is_open) {
            Some(socket) => {
                self.ring.begin_detach(socket);
                self.leaving.push(Leaving { socket, to, server, client });
            }
            None => self.mail(to, Mail::Answer { server, client, connection: None }),
        }
    }

    /// A connection has left the ring.
    pub fn on_detached(&mut self, socket: SocketId, descriptor: OwnedFd) {
        let Some(upstream) = self.upstreams.take(socket) else { return };
        upstream.server.rows.of(self.index).open.fall();
        let Some(leaving) = self.stop_leaving(socket) else { return };
        let lent = Lent {
            descriptor,
            server: upstream.server,
            created_ms: upstream.created_ms,
            requests: upstream.requests,
        };
        self.send_answer(leaving, Some(lent));
    }

    /// A connection that was to leave has ended or spoken instead.
    pub fn cancel_leaving(&mut self, socket: SocketId) {
        if let Some(leaving) = self.stop_leaving(socket) {
            self.send_answer(leaving, None);
        }
    }

    fn stop_leaving(&mut self, socket: SocketId) -> Option<Leaving> {
        let place = self.leaving.iter().position(|leaving| leaving.socket == socket)?;
        Some(self.leaving.swap_remove(place))
    }

    fn send_answer(&mut self, leaving: Leaving, connection: Option<Lent>) {
        let Leaving { to, server, client, .. } = leaving;
        self.mail(to, Mail::Answer { server, client, connection });
    }

    fn take_answer(&mut self, server: usize, client: SocketId, connection: Option<Lent>) {
        let adopted = connection.and_then(|lent| self.adopt(server, client, lent));
        let mut asker = self.clients.take(client);
        let waiting = asker.as_deref_mut().filter(|client| {
            !client.line.is_closing
                && client.exchange.as_ref().is_some_and(|exchange| {
                    exchange.stage == Stage::Connecting
                        && exchange.upstream.is_none()
                        && exchange.server == Some(server)
                })
        });
        match (waiting, adopted) {
            (Some(client), Some(mut upstream)) => {
                self.start(client, &mut upstream);
                self.upstreams.put(upstream);
            }
            (Some(client), None) => self.connect(client, server),
            // Nobody waits any more: it is idle here.
            (None, Some(mut upstream)) => {
                upstream.client = None;
                match self.pools.server(server) {
                    Some(local) if !local.is_retired() => {
                        local.idle.push(upstream.line.socket);
                        upstream.line.receive(&mut self.ring);
                    }
                    _ => upstream.line.close(&mut self.ring, &mut self.spares),
                }
                self.upstreams.put(upstream);
            }
            (None, None) => {}
        }
        if let Some(client) = asker {
            self.clients.put(client);
        }
    }

    fn adopt(&mut self, server: usize, client: SocketId, lent: Lent) -> Option<Box<Upstream>> {
        let state = self.pools.server(server)?.state.clone();
        if !Arc::ptr_eq(&state, &lent.server) {
            return None;
        }
        let socket = self.ring.adopt(lent.descriptor).ok()?;
        let row = state.rows.of(self.index);
        row.open.rise();
        row.borrowed.add(1);
        let mut upstream = Box::new(Upstream::new(socket, state, client, self.now_ms));
        upstream.is_connected = true;
        upstream.created_ms = lent.created_ms;
        upstream.requests = lent.requests;
        Some(upstream)
    }

    /// Sends it, and rings who sleeps.
    pub fn mail(&mut self, to: usize, mail: Mail) {
        let mesh = self.mesh.clone();
        mesh.publish(mesh.reserve(to), mail);
        if mesh.take_sleeper(to)
            && let Some(bell) = self.shared.bells[to].get()
        {
            self.ring.wake(bell);
        }
    }
}
