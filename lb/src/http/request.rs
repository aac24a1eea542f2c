//! Requests: from their first byte to the server.
//!
//! Job: PROXY headers, heads, routing, and the way of bodies to servers. In: bytes of clients. Out: an
//! exchange that has entered its pool; bytes for the server.
//! Invariant: nothing of a request leaves before its head is complete and right; of a body at most
//! one buffer is being sent and one waits.

use ringlet_protocol::http1::{
    Body, BodyError, Field, Framing, HeadLimits, Piece, RequestKind, write_chunk_head,
    write_last_chunk,
};
use ringlet_protocol::proxy_protocol::{self, Endpoints};

use crate::access_log::record::Record;
use crate::client::{Client, Exchange, Phase, Stage};
use crate::core::Core;
use crate::forwarding::{self, RequestContext};
use crate::limits::RETAINED_REQUEST_BYTES_MAX;
use crate::model::HashKey;
use crate::rewrite::Rewrites;
use crate::serve::Failure;
use crate::sticky;
use crate::upstream::Upstream;

impl Core {
    /// A PROXY header stands before everything else.
    pub fn read_proxy_header(&mut self, client: &mut Client) {
        let trusted = &client.listener.config.trusted;
        let is_trusted = trusted.is_empty()
            || client.peer.is_some_and(|peer| client.listener.config.trusts(peer.ip()));
        if !is_trusted {
            tracing::debug!("a PROXY header from {:?}, who is not trusted", client.peer);
            return self.reset_client(client);
        }
        let length = match proxy_protocol::parse(client.line.bytes(&self.ring)) {
            Ok(None) => {
                client.line.keep(&mut self.ring, &mut self.spares);
                return client.line.receive(&mut self.ring);
            }
            Ok(Some((header, length))) => {
                if let Endpoints::Tcp { source, destination } = header.endpoints {
                    client.address = Some(source);
                    client.local = Some(destination);
                }
                length
            }
            Err(error) => {
                tracing::debug!("no PROXY header from {:?}: {error}", client.peer);
                return self.reset_client(client);
            }
        };
        client.line.consume(length, &mut self.ring, &mut self.spares);
        client.phase = Phase::Idle;
        self.greet(client);
    }

    /// The head of a request comes.
    pub fn read_request(&mut self, client: &mut Client) {
        let config = &client.listener.config;
        let limits = HeadLimits {
            head_bytes_max: config.head_bytes_max as usize,
            fields_max: usize::from(config.fields_max),
        };
        let request_ms = i64::from(config.timeouts.request_ms);
        let bytes = client.line.bytes(&self.ring);
        match self.request_head.parse(bytes, &limits) {
            Ok(Some(length)) => self.begin_request(client, length),
            Ok(None) => {
                if client.phase == Phase::Idle && !bytes.is_empty() {
                    client.phase = Phase::Head;
                    self.set_deadline(client, request_ms);
                }
                client.line.keep(&mut self.ring, &mut self.spares);
                client.line.receive(&mut self.ring);
            }
            Err(error) => self.refuse(client, error.status(), &error.to_string()),
        }
    }

    /// A head is complete.
    fn begin_request(&mut self, client: &mut Client, length: usize) {
        let is_listened_to = self.follow_reload(client);
        client.listener.state.rows.of(self.index).requests.add(1);
        let listener = client.listener.clone();
        let config = &listener.config;
        let head = &self.request_head;
        let input = client.line.bytes(&self.ring);
        if config.log.is_some() {
            client.record = Some(Record::of_request(head, input, self.spares.buffer()));
        }
        let about = (head.is_head(input), head.version_minor());
        // CONNECT would make an open proxy, TRACE shows fields that clients must not see.
        if head.is_connect(input) || head.method(input) == b"TRACE" {
            let text = "CONNECT and TRACE are not served here";
            return self.refuse_request(client, 405, text, about);
        }
        let choice = match listener.router.choose(head, input, &mut self.path) {
            Ok(choice) => choice,
            Err(unrouted) => {
                let status = unrouted.status();
                return self.refuse_request(client, status, &unrouted.to_string(), about);
            }
        };
        let is_limited = match self.find_limits(client, choice.route) {
            Ok(is_limited) => is_limited,
            Err(error) => return self.refuse_request(client, 400, &error, about),
        };
        let head = &self.request_head;
        let input = client.line.bytes(&self.ring);
        let pool = self.pools.pools[choice.pool].shared.clone();
        let upgrade = forwarding::passed_upgrade(head, input);
        let mut exchange = Box::new(Exchange {
            route: choice.route,
            framing: head.framing(),
            body: Body::new(head.framing()),
            kind: RequestKind { is_head: head.is_head(input), asked_upgrade: upgrade.is_some() },
            is_idempotent: head.is_idempotent(input),
            version_minor: head.version_minor(),
            keeps_alive: head.keeps_alive() && is_listened_to,
            ..Exchange::new(pool.clone(), choice.pool, self.now_us)
        });
        let algorithm = pool.blueprint.algorithm();
        if let Some(hash) = algorithm.hash {
            exchange.hash = match pool.blueprint.key() {
                HashKey::Source => None,
                HashKey::Path => Some(hash.of_bytes(head.path(input))),
                HashKey::Uri => Some(hash.of_bytes(head.target(input))),
                HashKey::Header(name) => {
                    let is_it =
                        |field: &&Field| field.name(input).eq_ignore_ascii_case(name.as_bytes());
                    let field = head.fields().iter().find(is_it);
                    field.map(|field| hash.of_bytes(field.value(input)))
                }
                HashKey::Cookie(name) => {
                    sticky::cookie_value(head, input, name).map(|value| hash.of_bytes(value))
                }
            }
            .unwrap_or_else(|| client.address.map_or(0, |address| hash.of_address(address.ip())));
        }
        if let Some(settings) = &pool.config.sticky {
            let cookie = sticky::cookie_value(head, input, &settings.cookie);
            exchange.sticky = cookie.and_then(|value| self.pools.sticking(choice.pool, value));
        }
        let is_trusted = client.peer.is_some_and(|peer| config.trusts(peer.ip()));
        let made_id;
        let request_id = match forwarding::kept_request_id(head, input, is_trusted) {
            _ if !config.forwarding.request_id => None,
            Some(kept) => Some(kept),
            None => {
                made_id = forwarding::make_request_id(&mut self.random);
                Some(&made_id[..])
            }
        };
        if let (Some(record), Some(id)) = (&mut client.record, request_id) {
            record.keep_request_id(id);
        }
        let route = choice.route.map(|route| &config.routes[route]);
        let context = RequestContext {
            forwarding: config.forwarding,
            client: client.address.map(|address| address.ip()),
            is_trusted,
            scheme: "http",
            request_id,
            server_host: pool.config.name.as_bytes(),
            upgrade,
            keeps_alive: pool.config.idle.connections_max > 0 && pool.config.sends_proxy.is_none(),
            rewrites: Rewrites {
                first: &config.request_rewrites,
                second: route.map_or(&[], |route| &route.request_rewrites),
            },
        };
        exchange.request = self.spares.buffer();
        forwarding::write_request(&mut exchange.request, head, input, &context);
        client.line.consume(length, &mut self.ring, &mut self.spares);
        client.phase = Phase::Exchange;
        client.closes_after = false;
        self.retain_body(client, &mut exchange);
        client.exchange = Some(exchange);
        if is_limited { self.ask_limits(client) } else { self.enter_pool(client) }
    }

    /// A small body that has come with its head goes along with it, and can be sent again.
    fn retain_body(&mut self, client: &mut Client, exchange: &mut Exchange) {
        let Framing::Length(length) = exchange.framing else { return };
        let bytes = client.line.bytes(&self.ring);
        let is_small = length
            <= (RETAINED_REQUEST_BYTES_MAX - exchange.request.len().min(RETAINED_REQUEST_BYTES_MAX))
                as u64;
        if !is_small || (bytes.len() as u64) < length {
            return;
        }
        exchange.request.extend_from_slice(&bytes[..length as usize]);
        exchange.body = Body::new(Framing::None);
        client.line.consume(length as usize, &mut self.ring, &mut self.spares);
    }

    /// The connection to the server is there: the request goes.
    pub fn send_request(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let Some(exchange) = &client.exchange else { return };
        let server_ms = i64::from(exchange.pool.config.timeouts.server_ms);
        upstream.line.append(&exchange.request, &mut self.spares);
        upstream.line.receive(&mut self.ring);
        self.set_deadline(client, server_ms);
        self.pump_request(client, upstream);
    }

    /// Moves what has come of the body to the server.
    pub fn pump_request(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let was_whole = client.exchange.as_ref().is_some_and(|one| one.body.has_ended());
        let moved = self.move_request(client, upstream);
        upstream.line.flush(&mut self.ring);
        if let Err(error) = moved {
            return self.on_bad_body(client, upstream, error);
        }
        let Some(exchange) = &client.exchange else { return };
        let keeps_alive = exchange.keeps_alive;
        if exchange.body.has_ended() {
            if !was_whole {
                let server_ms = i64::from(exchange.pool.config.timeouts.server_ms);
                self.set_deadline(client, server_ms);
            }
            // What comes now is the next request, or the end.
            if client.line.is_drained() {
                if keeps_alive {
                    client.line.receive(&mut self.ring);
                } else {
                    client.has_said_all = true;
                }
            } else {
                client.line.keep(&mut self.ring, &mut self.spares);
            }
        } else if upstream.line.is_backlogged() {
            let server_ms = i64::from(exchange.pool.config.timeouts.server_ms);
            client.line.keep_if_scarce(&mut self.ring, &mut self.spares);
            self.set_deadline(client, server_ms);
        } else {
            let client_ms = i64::from(client.listener.config.timeouts.client_ms);
            client.line.receive(&mut self.ring);
            self.set_deadline(client, client_ms);
        }
    }

    fn move_request(
        &mut self,
        client: &mut Client,
        upstream: &mut Upstream,
    ) -> Result<(), BodyError> {
        let Some(exchange) = &mut client.exchange else { return Ok(()) };
        let (ring, spares) = (&mut self.ring, &mut self.spares);
        let is_chunked = exchange.framing == Framing::Chunked;
        while !exchange.body.has_ended() && !upstream.line.is_backlogged() {
            match exchange.body.next(client.line.bytes(ring))? {
                Piece::Data { skip, length } => {
                    exchange.is_streamed = true;
                    if is_chunked {
                        upstream.line.append_with(spares, |out| write_chunk_head(out, length));
                    }
                    client.line.forward(skip, length, &mut upstream.line, ring, spares);
                    if is_chunked {
                        upstream.line.append(b"\r\n", spares);
                    }
                }
                Piece::More { consumed } => {
                    client.line.consume(consumed, ring, spares);
                    break;
                }
                Piece::End { consumed } => {
                    client.line.consume(consumed, ring, spares);
                    if is_chunked {
                        exchange.is_streamed = true;
                        let trailer = exchange.body.trailer();
                        upstream.line.append_with(spares, |out| write_last_chunk(out, trailer));
                    }
                }
            }
        }
        Ok(())
    }

    /// The body is none: the server must not take what it has got for all.
    fn on_bad_body(&mut self, client: &mut Client, upstream: &mut Upstream, error: BodyError) {
        let has_begun =
            client.exchange.as_ref().is_some_and(|exchange| exchange.stage == Stage::Responding);
        upstream.line.reset(&mut self.ring, &mut self.spares);
        upstream.client = None;
        if has_begun {
            self.finish_exchange(client, &error.to_string());
            return self.reset_client(client);
        }
        client.listener.state.rows.of(self.index).bad_requests.add(1);
        self.fail(client, 400, &error.to_string());
    }

    /// The server's connection has ended before a response began.
    pub fn on_broken(&mut self, client: &mut Client, upstream: &mut Upstream) {
        upstream.server.rows.of(self.index).response_failures.add(1);
        self.retry(client, Some(upstream), Failure::Broken);
    }
}
