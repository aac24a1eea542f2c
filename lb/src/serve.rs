//! The server side: from a request that needs a server to a connection that carries it, and back.
//!
//! Job: choose, queue, connect, reuse, retry, give up. In: requests of clients, events of connections.
//! Out: `start` of whoever speaks over the connection, or a failure that the client is told.
//! Invariant: a request is begun with at most one server at a time and ended with it before another
//! is tried; it is sent a second time only when that cannot do what it asks for twice.

use std::sync::atomic::Ordering::Relaxed;

use ringlet_protocol::proxy_protocol::{self, Endpoints};
use ringlet_runtime::ring::{Errno, SocketId};

use crate::client::{Client, Exchange, Phase, Stage};
use crate::core::Core;
use crate::limits::TICK_BUSY_MS;
use crate::model::{Mode, ProxyVersion};
use crate::pool::Pick;
use crate::snapshot::PoolShared;
use crate::upstream::Upstream;

/// How a request ends that has its whole response.
pub const COMPLETE: &str = "complete";

/// Why a try has failed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: the server has not seen the request.
    Connect,
    /// The connection ended before a response began.
    Broken,
    /// Its check has just found the server down.
    Down,
    /// What came was no response.
    Malformed,
    /// No response in time.
    Silent,
}

impl Core {
    /// A new request asks its pool for a server.
    pub fn enter_pool(&mut self, client: &mut Client) {
        let Some(exchange) = &mut client.exchange else { return };
        exchange.is_in_pool = true;
        let pool = exchange.pool.clone();
        let state = &pool.state;
        let row = state.rows.of(self.index);
        row.requests.add(1);
        row.in_flight.rise();
        let limit = exchange.pool.config.requests_max;
        if limit > 0 && state.rows.sum(|row| row.in_flight.get()) > limit {
            row.queue_overflows.add(1);
            return self.fail(client, 503, "the pool has all the requests it may have");
        }
        self.choose_server(client);
    }

    /// Gives a request to a server, or has it wait.
    fn choose_server(&mut self, client: &mut Client) {
        let Some(exchange) = &mut client.exchange else { return };
        exchange.stage = Stage::Choosing;
        let slot = exchange.pool_slot;
        exchange.is_stuck = false;
        if let Some(sticky) = exchange.sticky.take()
            && self.pools.begin(sticky)
        {
            exchange.is_stuck = true;
            return self.attach(client, sticky);
        }
        // A server that is full after all has been marked so: the next choice is another one.
        loop {
            match self.pools.pick(slot, exchange.hash, &exchange.tried, &mut self.random) {
                Pick::Server(server) if self.pools.begin(server) => {
                    return self.attach(client, server);
                }
                Pick::Server(_) => {}
                Pick::Full => return self.queue(client),
                Pick::Nobody => {
                    exchange.pool.state.rows.of(self.index).no_server.add(1);
                    return self.fail(client, 503, "no server is available");
                }
            }
        }
    }

    fn queue(&mut self, client: &mut Client) {
        let Some(exchange) = &mut client.exchange else { return };
        let state = exchange.pool.state.clone();
        let limit = exchange.pool.config.queue_max;
        let has_room = |queued| (queued < limit).then_some(queued + 1);
        let row = state.rows.of(self.index);
        if state.queued.fetch_update(Relaxed, Relaxed, has_room).is_err() {
            row.queue_overflows.add(1);
            return self.fail(client, 503, "the queue is full");
        }
        row.queued.add(1);
        exchange.stage = Stage::Waiting;
        if let Some(record) = &mut client.record {
            record.queued_at_us = Some(self.now_us);
        }
        let queue_ms = i64::from(exchange.pool.config.timeouts.queue_ms);
        self.pools.pools[exchange.pool_slot].waiting.push_back(client.line.socket);
        client.line.keep(&mut self.ring, &mut self.spares);
        self.set_deadline(client, queue_ms);
        // Places that other cores give back are looked for at each tick: an idle core ticks slowly.
        self.ring.set_tick_ms(TICK_BUSY_MS);
    }

    /// It no longer waits in a queue.
    fn leave_queue(&mut self, client: &mut Client) {
        let Some(exchange) = &client.exchange else { return };
        if exchange.stage == Stage::Waiting {
            if let Some(record) = &mut client.record {
                record.leave_queue(self.now_us);
            }
            exchange.pool.state.queued.fetch_sub(1, Relaxed);
            let socket = client.line.socket;
            self.pools.pools[exchange.pool_slot].waiting.retain(|waiting| *waiting != socket);
        }
    }

    /// Those who wait for a server of this pool are served, as far as there is room.
    pub fn serve_waiting(&mut self, pool: usize) {
        while let Some(socket) = self.pools.pools[pool].waiting.front().copied() {
            let Some(mut client) = self.clients.take(socket) else {
                self.pools.pools[pool].waiting.pop_front();
                continue;
            };
            let (hash, tried) = match &client.exchange {
                Some(exchange) => (exchange.hash, exchange.tried.clone()),
                None => (0, Vec::new()),
            };
            let pick = self.pools.pick(pool, hash, &tried, &mut self.random);
            let begun = matches!(pick, Pick::Server(server) if self.pools.begin(server));
            if begun {
                self.leave_queue(&mut client);
                if let Pick::Server(server) = pick {
                    self.attach(&mut client, server);
                }
            }
            self.clients.put(client);
            if !begun {
                return;
            }
        }
    }

    /// The request is begun with this server: find it a connection.
    fn attach(&mut self, client: &mut Client, server: usize) {
        let Some(exchange) = &mut client.exchange else { return };
        exchange.server = Some(server);
        if let Some(record) = &mut client.record {
            record.attempts += 1;
            record.server = self.pools.server(server).map(|local| local.state.clone());
        }
        let may_reuse = exchange.pool.config.mode == Mode::Http && !exchange.wants_new_connection;
        if may_reuse {
            while let Some(mut upstream) = self.pop_idle(server) {
                let is_usable = !upstream.line.is_closing && !upstream.line.has_ended;
                if is_usable {
                    upstream.server.rows.of(self.index).reused.add(1);
                    self.start(client, &mut upstream);
                    return self.upstreams.put(upstream);
                }
                self.upstreams.put(upstream);
            }
        }
        if !may_reuse || !self.borrow_connection(client, server) {
            self.connect(client, server);
        }
    }

    fn pop_idle(&mut self, server: usize) -> Option<Box<Upstream>> {
        loop {
            let socket = self.pools.server(server)?.idle.pop_newest()?;
            if let Some(upstream) = self.upstreams.take(socket) {
                return Some(upstream);
            }
        }
    }

    /// Makes a new connection to the server.
    pub fn connect(&mut self, client: &mut Client, server: usize) {
        let Some(exchange) = &mut client.exchange else { return };
        exchange.stage = Stage::Connecting;
        let connect_ms = i64::from(exchange.pool.config.timeouts.connect_ms);
        let Some(local) = self.pools.server(server) else {
            return self.retry(client, None, Failure::Connect);
        };
        let state = local.state.clone();
        let row = state.rows.of(self.index);
        row.connects.add(1);
        let connected = match local.next_address() {
            Some(address) => self.ring.connect(&address).map_err(|error| error.to_string()),
            None => Err("its name has no address yet".to_owned()),
        };
        match connected {
            Ok(socket) => {
                row.open.rise();
                let upstream = Upstream::new(socket, state, client.line.socket, self.now_ms);
                if let Some(exchange) = &mut client.exchange {
                    exchange.upstream = Some(socket);
                }
                self.upstreams.put(Box::new(upstream));
                client.line.keep(&mut self.ring, &mut self.spares);
                self.set_deadline(client, connect_ms);
            }
            Err(reason) => {
                tracing::warn!(
                    "cannot connect to server {} of {}: {reason}",
                    state.name,
                    state.pool
                );
                row.connect_failures.add(1);
                self.retry(client, None, Failure::Connect);
            }
        }
    }

    /// A connection to a server stands, or does not.
    pub fn on_connected(&mut self, socket: SocketId, result: Result<(), Errno>) {
        let Some(mut upstream) = self.upstreams.take(socket) else {
            return self.on_probe_connected(socket, result);
        };
        let client = upstream.client.and_then(|client| self.clients.take(client));
        match (client, result) {
            (Some(mut client), Ok(())) => {
                upstream.is_connected = true;
                self.send_proxy_header(&mut client, &mut upstream);
                self.start(&mut client, &mut upstream);
                self.clients.put(client);
            }
            (Some(mut client), Err(errno)) => {
                tracing::debug!("server {}: {errno}", upstream.server.name);
                upstream.server.rows.of(self.index).connect_failures.add(1);
                upstream.line.close(&mut self.ring, &mut self.spares);
                self.upstreams.put(upstream);
                self.retry(&mut client, None, Failure::Connect);
                return self.clients.put(client);
            }
            (None, _) => upstream.line.close(&mut self.ring, &mut self.spares),
        }
        self.upstreams.put(upstream);
    }

    fn send_proxy_header(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let Some(exchange) = &client.exchange else { return };
        let Some(version) = exchange.pool.config.sends_proxy else { return };
        let version = match version {
            ProxyVersion::V1 => proxy_protocol::Version::V1,
            ProxyVersion::V2 => proxy_protocol::Version::V2,
        };
        let endpoints = match (client.address, self.local_address(client)) {
            (Some(source), Some(destination)) => Endpoints::Tcp { source, destination },
            _ => Endpoints::Own,
        };
        upstream.line.append_with(&mut self.spares, |out| {
            proxy_protocol::write(version, &endpoints, out);
        });
    }

    /// The connection carries the request from here on.
    pub fn start(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let Some(exchange) = &mut client.exchange else { return };
        upstream.client = Some(client.line.socket);
        upstream.is_connected = true;
        upstream.requests += 1;
        exchange.upstream = Some(upstream.line.socket);
        exchange.stage = Stage::Awaiting;
        exchange.sent_us = self.now_us;
        match exchange.pool.config.mode {
            Mode::Tcp => {
                // More than that it can be connected to is not known of a server before the end.
                self.note_outcome(client, true);
                self.open_tunnel(client, upstream);
            }
            Mode::Http => self.send_request(client, upstream),
        }
    }

    /// A server's connection is of no more use: nobody works on it.
    pub fn drop_idle(&mut self, upstream: &mut Upstream) {
        let socket = upstream.line.socket;
        self.cancel_leaving(socket);
        if let Some(local) = self.pools.server(upstream.server.slot) {
            local.idle.remove(socket);
        }
        if !upstream.line.is_closing {
            upstream.line.close(&mut self.ring, &mut self.spares);
        }
    }

    /// Keeps a connection for the next request, or closes it.
    pub fn give_back(&mut self, upstream: &mut Upstream, pool: &PoolShared, may_be_kept: bool) {
        upstream.client = None;
        let limits = &pool.config.idle;
        let cores = self.shared.bells.len();
        let is_healthy = !upstream.line.has_ended && !upstream.has_failed && !self.is_draining;
        let may_be_kept = may_be_kept
            && is_healthy
            && pool.config.sends_proxy.is_none()
            && (limits.requests_max == 0 || upstream.requests < limits.requests_max)
            && self.now_ms - upstream.created_ms < i64::from(limits.lifetime_ms);
        let kept = self.pools.server(upstream.server.slot).filter(|local| {
            // Other cores' rows are read only by one that has more than its share.
            let has_room = local.idle.len() < limits.connections_max as usize / cores
                || local.state.rows.sum(|row| row.idle.get()) < limits.connections_max;
            may_be_kept && !local.is_retired() && has_room
        });
        match kept {
            Some(local) => {
                upstream.idle_since_ms = self.now_ms;
                local.idle.push(upstream.line.socket);
                // So the end of the connection is seen when it comes.
                upstream.line.receive(&mut self.ring);
            }
            None => upstream.line.close(&mut self.ring, &mut self.spares),
        }
    }

    /// A try has failed: ends it with its server, and tries another one if that is allowed.
    ///
    /// `upstream` is its connection, if that is taken out.
    pub fn retry(
        &mut self,
        client: &mut Client,
        upstream: Option<&mut Upstream>,
        failure: Failure,
    ) {
        let Some(exchange) = &mut client.exchange else { return };
        let id = exchange.upstream.take();
        let was_reused = match (upstream, id.and_then(|id| self.upstreams.take(id))) {
            (Some(upstream), _) => self.discard(upstream),
            (None, Some(mut upstream)) => {
                let was_reused = self.discard(&mut upstream);
                self.upstreams.put(upstream);
                was_reused
            }
            (None, None) => false,
        };
        let member = exchange.server.and_then(|server| self.pools.member(server));
        // A server closes an idle connection when it likes: that says nothing about the server.
        let is_stale = failure == Failure::Broken && was_reused;
        if !is_stale {
            self.note_outcome(client, false);
            self.note_no_answer(client, failure);
        }
        self.end_with_server(client);
        let Some(exchange) = &mut client.exchange else { return };
        let is_allowed = match failure {
            Failure::Connect => true,
            Failure::Broken | Failure::Down => exchange.can_be_repeated(),
            Failure::Malformed | Failure::Silent => false,
        };
        if is_allowed && is_stale {
            exchange.wants_new_connection = true;
            return self.choose_server(client);
        }
        exchange.tried.extend(member);
        let retry = exchange.pool.config.retry;
        if is_allowed && exchange.attempts < retry.attempts && self.take_budget(exchange) {
            exchange.attempts += 1;
            return self.choose_server(client);
        }
        let (status, text) = match failure {
            Failure::Connect => (503, "the server cannot be connected to"),
            Failure::Broken => (502, "the server closed the connection before it answered"),
            Failure::Down => (502, "the server was found down before it answered"),
            Failure::Malformed => (502, "the server's answer is no HTTP response"),
            Failure::Silent => (504, "the server did not answer in time"),
        };
        self.fail(client, status, text);
    }

    /// Closes a connection that has failed; true if it had served before.
    fn discard(&mut self, upstream: &mut Upstream) -> bool {
        upstream.client = None;
        upstream.line.close(&mut self.ring, &mut self.spares);
        upstream.requests > 1
    }

    /// Whether the pool may do one more retry: they are a share of the requests in flight.
    fn has_budget(&self, exchange: &Exchange) -> bool {
        let retry = exchange.pool.config.retry;
        let rows = &exchange.pool.state.rows;
        let retrying: u64 = rows.sum(|row| u64::from(row.retrying.get()));
        let in_flight: u64 = rows.sum(|row| u64::from(row.in_flight.get()));
        exchange.is_retry
            || retrying < u64::from(retry.budget_min)
            || retrying * 100 < in_flight * u64::from(retry.budget_percent)
    }

    /// Takes a place in the budget of retries; false when there is none.
    fn take_budget(&self, exchange: &mut Exchange) -> bool {
        let row = exchange.pool.state.rows.of(self.index);
        if !self.has_budget(exchange) {
            row.retries_refused.add(1);
            return false;
        }
        if !std::mem::replace(&mut exchange.is_retry, true) {
            row.retrying.rise();
        }
        row.retries.add(1);
        true
    }

    /// How a server has done: for ejection.
    pub fn note_outcome(&mut self, client: &Client, is_good: bool) {
        let Some(exchange) = &client.exchange else { return };
        let Some(server) = exchange.server else { return };
        let core = self.index;
        let Some(local) = self.pools.server(server) else { return };
        let row = local.state.rows.of(core);
        if is_good {
            row.successes.add(1);
            local.state.note_success();
        } else {
            row.failures.add(1);
            let in_a_row = local.state.note_failure();
            let ejection = exchange.pool.config.ejection.as_ref();
            let limit = ejection.map_or(0, |ejection| ejection.consecutive_failures);
            if limit > 0 && in_a_row.is_multiple_of(limit) {
                self.shared.alarm(&exchange.pool.state.ejection_watch);
            }
        }
    }

    /// A server has not answered: balancers must not take it for fast, and its check shall look at once
    /// if it cannot even be connected to. A response of 5xx is an answer: it took the time it took.
    fn note_no_answer(&mut self, client: &Client, failure: Failure) {
        let Some(exchange) = &client.exchange else { return };
        let Some(server) = exchange.server else { return };
        let timeout_us = exchange.pool.config.timeouts.server_ms.saturating_mul(1000);
        match failure {
            // So long it has taken at least.
            Failure::Silent => self.pools.observe(server, timeout_us, self.now_ms),
            _ => self.pools.observe_failure(server, timeout_us, self.now_ms),
        }
        if failure == Failure::Connect
            && let Some(local) = self.pools.server(server)
        {
            self.shared.alarm(&local.state.check_watch);
        }
    }

    /// The request is over for its server.
    fn end_with_server(&mut self, client: &mut Client) {
        let server = client.exchange.as_mut().and_then(|exchange| exchange.server.take());
        if let Some(pool) = server.and_then(|server| self.pools.end(server))
            && !self.pools.pools[pool].waiting.is_empty()
        {
            self.ready_pools.push(pool);
        }
    }

    /// A request is over; the server's connection has been closed or given back.
    pub fn end_exchange(&mut self, client: &mut Client, upstream: &mut Upstream, end: &str) {
        upstream.client = None;
        self.finish_exchange(client, end);
    }

    /// A request is over, and has no connection to a server; `end` says how, for the log.
    pub fn finish_exchange(&mut self, client: &mut Client, end: &str) {
        self.leave_queue(client);
        self.end_with_server(client);
        let Some(mut exchange) = client.exchange.take() else { return };
        if exchange.is_in_pool {
            self.leave_pool(&exchange);
        }
        if let Some(held) = exchange.held.take() {
            self.give_back_limits(&held);
        }
        if let Some(record) = client.record.take() {
            self.log_exchange(client, *record, &exchange, end);
        }
        self.spares.keep(exchange.request);
        self.spares.keep(exchange.limit_fields);
    }

    fn leave_pool(&self, exchange: &Exchange) {
        let row = exchange.pool.state.rows.of(self.index);
        row.in_flight.fall();
        if exchange.is_retry {
            row.retrying.fall();
        }
        row.durations.record(self.now_us.saturating_sub(exchange.started_us));
        if exchange.status > 0 {
            let class = usize::from(exchange.status / 100).min(5);
            row.responses[class].add(1);
        }
    }

    /// A client has gone, or must go, in the midst of a request.
    pub fn abort(&mut self, client: &mut Client, end: &str) {
        let upstream = client.exchange.as_mut().and_then(|exchange| exchange.upstream.take());
        if let Some(mut upstream) = upstream.and_then(|id| self.upstreams.take(id)) {
            upstream.client = None;
            upstream.server.rows.of(self.index).client_aborts.add(1);
            upstream.line.reset(&mut self.ring, &mut self.spares);
            self.upstreams.put(upstream);
        }
        self.finish_exchange(client, end);
        self.reset_client(client);
    }

    /// A request cannot be served.
    pub fn fail(&mut self, client: &mut Client, status: u16, text: &str) {
        if client.listener.config.mode == Mode::Tcp || client.phase == Phase::Tunnel {
            return self.abort(client, text);
        }
        if let Some(exchange) = &mut client.exchange {
            exchange.status = status;
        }
        self.answer_failure(client, status, text);
    }

    /// Requests that wait for an answer of a server that has just been found down go elsewhere at once, if
    /// they can be repeated and the budget allows it: it may never tell that it is gone.
    pub fn leave_servers_found_down(&mut self) {
        let found_down = self.pools.take_found_down();
        if found_down.is_empty() {
            return;
        }
        let is_lost = |upstream: &&Upstream| found_down.contains(&upstream.server.slot);
        let lost: Vec<SocketId> =
            self.upstreams.iter().filter(is_lost).filter_map(|upstream| upstream.client).collect();
        for socket in lost {
            let Some(mut client) = self.clients.take(socket) else { continue };
            let may_go = client.phase == Phase::Exchange
                && client.exchange.as_ref().is_some_and(|exchange| {
                    exchange.stage == Stage::Awaiting
                        && exchange.can_be_repeated()
                        && exchange.attempts < exchange.pool.config.retry.attempts
                        && self.has_budget(exchange)
                });
            if may_go {
                self.retry(&mut client, None, Failure::Down);
            }
            self.clients.put(client);
        }
    }
}
