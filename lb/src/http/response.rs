//! Responses: from the server to the client.
//!
//! Job: heads, bodies and ends of responses, interim ones and upgrades. In: bytes of servers. Out: bytes
//! for clients; connections that can serve again.
//! Invariant: a connection serves again only when its response has ended where it said, the request had
//! been sent as a whole before, and nothing has come behind it.

use ringlet_protocol::http1::{
    Body, Framing, HeadLimits, Piece, write_chunk_head, write_last_chunk,
};
use ringlet_runtime::ring::ReceiveEnd;

use crate::client::{Client, Phase, Stage};
use crate::core::Core;
use crate::forwarding::{self, ResponseContext};
use crate::limits::{INTERIM_RESPONSES_MAX, RESPONSE_FIELDS_MAX, RESPONSE_HEAD_BYTES_MAX};
use crate::rewrite::Rewrites;
use crate::serve::{COMPLETE, Failure};
use crate::upstream::Upstream;

const LIMITS: HeadLimits =
    HeadLimits { head_bytes_max: RESPONSE_HEAD_BYTES_MAX, fields_max: RESPONSE_FIELDS_MAX };

impl Core {
    /// Bytes of a server have come for a client.
    pub fn on_upstream_bytes(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let Some(exchange) = &client.exchange else { return };
        match (client.phase, exchange.stage) {
            (Phase::Tunnel, _) => self.pump_down(client, upstream),
            (_, Stage::Responding) => self.pump_response(client, upstream),
            _ => self.read_response(client, upstream),
        }
    }

    fn read_response(&mut self, client: &mut Client, upstream: &mut Upstream) {
        loop {
            let Some(exchange) = &mut client.exchange else { return };
            let bytes = upstream.line.bytes(&self.ring);
            match self.response_head.parse(bytes, &LIMITS, exchange.kind) {
                Ok(Some(length)) if self.response_head.is_interim() => {
                    exchange.interims += 1;
                    if exchange.interims > INTERIM_RESPONSES_MAX {
                        upstream.server.rows.of(self.index).response_failures.add(1);
                        return self.retry(client, Some(upstream), Failure::Malformed);
                    }
                    self.pass_interim(client, upstream, length);
                }
                Ok(Some(length)) => return self.begin_response(client, upstream, length),
                Ok(None) if upstream.line.has_ended => return self.on_broken(client, upstream),
                Ok(None) => {
                    upstream.line.keep(&mut self.ring, &mut self.spares);
                    return upstream.line.receive(&mut self.ring);
                }
                Err(error) => {
                    tracing::warn!(
                        "server {} of {}: {error}",
                        upstream.server.name,
                        upstream.server.pool
                    );
                    upstream.server.rows.of(self.index).response_failures.add(1);
                    return self.retry(client, Some(upstream), Failure::Malformed);
                }
            }
        }
    }

    /// 100, 103 and their kin go before the response; HTTP/1.0 does not know them.
    fn pass_interim(&mut self, client: &mut Client, upstream: &mut Upstream, length: usize) {
        let bytes = upstream.line.bytes(&self.ring);
        let head = &self.response_head;
        let minor = client.exchange.as_ref().map_or(1, |exchange| exchange.version_minor);
        let context = ResponseContext {
            client_minor: minor,
            keeps_alive: true,
            adds_via: false,
            cookie: None,
            rewrites: Rewrites { first: &[], second: &[] },
            fields: &[],
        };
        client.line.append_with(&mut self.spares, |out| {
            forwarding::write_response(out, head, bytes, &context)
        });
        client.line.flush(&mut self.ring);
        upstream.line.consume(length, &mut self.ring, &mut self.spares);
    }

    fn begin_response(&mut self, client: &mut Client, upstream: &mut Upstream, length: usize) {
        let head = &self.response_head;
        let Some(exchange) = &mut client.exchange else { return };
        let status = head.status();
        exchange.status = status;
        exchange.stage = Stage::Responding;
        if let Some(record) = &mut client.record {
            record.head_at_us = Some(self.now_us);
        }
        exchange.upstream_keeps_alive = head.keeps_alive();
        exchange.response = Body::new(head.framing());
        // A body of which more is to come is in the way of the next request.
        let keeps_alive = exchange.keeps_alive && exchange.body.has_ended() && !self.is_draining;
        let config = &client.listener.config;
        let route = exchange.route.map(|route| &config.routes[route]);
        let server = exchange.server.and_then(|slot| self.pools.server(slot));
        let cookie = server.map(|server| server.config.cookie.as_str());
        // Whoever has been led by his cookie has the right one.
        let sticky = exchange.pool.config.sticky.as_ref().filter(|_| !exchange.is_stuck);
        let context = ResponseContext {
            client_minor: exchange.version_minor,
            keeps_alive,
            adds_via: config.forwarding.via,
            cookie: sticky.zip(cookie),
            rewrites: Rewrites {
                first: route.map_or(&[], |route| &route.response_rewrites),
                second: &config.response_rewrites,
            },
            fields: &exchange.limit_fields,
        };
        let bytes = upstream.line.bytes(&self.ring);
        let delivery = client.line.append_with(&mut self.spares, |out| {
            forwarding::write_response(out, head, bytes, &context)
        });
        exchange.is_chunked = delivery.framing == Framing::Chunked;
        client.closes_after = !delivery.keeps_alive;
        let class = usize::from(status / 100).min(5);
        upstream.server.rows.of(self.index).responses[class].add(1);
        client.listener.state.rows.of(self.index).responses[class].add(1);
        let latency_us = u32::try_from(self.now_us.saturating_sub(exchange.sent_us));
        let slot = exchange.server;
        self.spares.keep(std::mem::take(&mut exchange.request));
        if let Some(slot) = slot {
            self.pools.observe(slot, latency_us.unwrap_or(u32::MAX), self.now_ms);
        }
        upstream.line.consume(length, &mut self.ring, &mut self.spares);
        if status == 101 {
            self.note_outcome(client, true);
            client.line.flush(&mut self.ring);
            return self.open_tunnel(client, upstream);
        }
        self.pump_response(client, upstream);
    }

    /// Moves what has come of the response to the client.
    pub fn pump_response(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let Some(exchange) = &mut client.exchange else { return };
        let (ring, spares) = (&mut self.ring, &mut self.spares);
        let mut is_broken = false;
        while !exchange.response.has_ended() && !client.line.is_backlogged() {
            match exchange.response.next(upstream.line.bytes(ring)) {
                Ok(Piece::Data { skip, length }) => {
                    exchange.body_bytes += length as u64;
                    if exchange.is_chunked {
                        client.line.append_with(spares, |out| write_chunk_head(out, length));
                    }
                    upstream.line.forward(skip, length, &mut client.line, ring, spares);
                    if exchange.is_chunked {
                        client.line.append(b"\r\n", spares);
                    }
                }
                Ok(Piece::More { consumed }) => {
                    upstream.line.consume(consumed, ring, spares);
                    if upstream.line.has_ended {
                        is_broken = exchange.response.end_of_stream().is_err();
                    }
                    break;
                }
                Ok(Piece::End { consumed }) => {
                    upstream.line.consume(consumed, ring, spares);
                }
                Err(error) => {
                    tracing::warn!("server {}: {error}", upstream.server.name);
                    is_broken = true;
                    break;
                }
            }
        }
        if is_broken {
            return self.break_response(client, upstream);
        }
        if exchange.response.has_ended() {
            return self.complete_response(client, upstream);
        }
        let config = &exchange.pool.config.timeouts;
        let (server_ms, client_ms) = (config.server_ms, client.listener.config.timeouts.client_ms);
        client.line.flush(&mut self.ring);
        if client.line.is_backlogged() {
            upstream.line.keep_if_scarce(&mut self.ring, &mut self.spares);
            self.set_deadline(client, i64::from(client_ms));
        } else {
            upstream.line.receive(&mut self.ring);
            self.set_deadline(client, i64::from(server_ms));
        }
    }

    /// A response ends in its midst: the client must not take it for whole.
    pub fn break_response(&mut self, client: &mut Client, upstream: &mut Upstream) {
        upstream.server.rows.of(self.index).response_failures.add(1);
        self.note_outcome(client, false);
        self.reset_both(client, upstream, "the server broke off its response");
    }

    fn complete_response(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let Some(exchange) = &client.exchange else { return };
        if exchange.is_chunked {
            let trailer = exchange.response.trailer();
            client.line.append_with(&mut self.spares, |out| write_last_chunk(out, trailer));
        }
        client.line.flush(&mut self.ring);
        let may_be_kept = exchange.upstream_keeps_alive
            && exchange.body.has_ended()
            && upstream.line.is_drained()
            && upstream.line.is_flushed();
        let (is_good, pool) = (exchange.status < 500, exchange.pool.clone());
        self.note_outcome(client, is_good);
        self.give_back(upstream, &pool, may_be_kept);
        self.end_exchange(client, upstream, COMPLETE);
        self.next_request(client);
    }

    /// A response is on its way as a whole.
    pub fn next_request(&mut self, client: &mut Client) {
        if client.closes_after || self.is_draining {
            client.closes_after = true;
            if client.line.is_flushed() {
                return self.linger(client);
            }
            client.line.drop_incoming(&mut self.ring, &mut self.spares);
            let client_ms = i64::from(client.listener.config.timeouts.client_ms);
            return self.set_deadline(client, client_ms);
        }
        client.phase = Phase::Idle;
        self.await_request(client);
    }

    /// The next request may come, or has come with the last one.
    pub fn await_request(&mut self, client: &mut Client) {
        let timeouts = client.listener.config.timeouts;
        if client.line.is_backlogged() {
            // Who does not take responses gets no more of them.
            client.line.keep(&mut self.ring, &mut self.spares);
            return self.set_deadline(client, i64::from(timeouts.client_ms));
        }
        self.set_deadline(client, i64::from(timeouts.keepalive_ms));
        if client.line.has_ended && client.line.is_drained() {
            client.closes_after = true;
            if client.line.is_flushed() {
                self.close_client(client);
            }
        } else if client.line.is_drained() {
            client.line.receive(&mut self.ring);
        } else {
            // In its turn, so that one who sends many at once does not hold up the others.
            self.runnable.push_back(client.line.socket);
        }
    }

    /// A server's connection has ended while it worked for a client.
    pub fn on_upstream_ended(
        &mut self,
        client: &mut Client,
        upstream: &mut Upstream,
        end: ReceiveEnd,
    ) {
        let Some(exchange) = &client.exchange else { return };
        match (client.phase, exchange.stage, end) {
            (Phase::Tunnel, ..) => self.on_tunnel_ended(client, upstream, end),
            (_, Stage::Responding, ReceiveEnd::EndOfStream) => self.pump_response(client, upstream),
            (_, Stage::Responding, ReceiveEnd::Error(_)) => self.break_response(client, upstream),
            _ => self.on_broken(client, upstream),
        }
    }
}
