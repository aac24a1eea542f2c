//! Tunnels: bytes both ways between a client and a server.
//!
//! Job: TCP mode, and what an upgraded HTTP connection becomes. In: bytes and ends of both sides. Out:
//! the same on the other side. Invariant: of each direction at most one buffer is being sent and one
//! waits; a half that ends is ended on the other side when all before it has gone; what breaks on one
//! side is reset on the other.

use ringlet_runtime::ring::{NetRing, ReceiveEnd};

use crate::access_log::record::Record;
use crate::client::{Client, Exchange, Phase, Stage};
use crate::core::Core;
use crate::line::{Line, Spares};
use crate::serve::COMPLETE;
use crate::upstream::Upstream;

impl Core {
    /// A connection in TCP mode begins.
    pub fn begin_tcp(&mut self, client: &mut Client) {
        if client.listener.config.log.is_some() {
            client.record = Some(Box::new(Record::default()));
        }
        let Some(slot) = client.listener.config.default_pool else {
            self.log_refusal(client, None, 0, "no pool for the connection");
            return self.reset_client(client);
        };
        let pool = self.pools.pools[slot].shared.clone();
        let algorithm = pool.blueprint.algorithm();
        let mut exchange = Box::new(Exchange::new(pool.clone(), slot, self.now_us));
        if let (Some(hash), Some(address)) = (algorithm.hash, client.address) {
            exchange.hash = hash.of_address(address.ip());
        }
        client.phase = Phase::Tunnel;
        client.exchange = Some(exchange);
        client.listener.state.rows.of(self.index).requests.add(1);
        if self.find_connection_limits(client) {
            self.ask_limits(client);
        } else {
            self.enter_pool(client);
        }
    }

    /// The server's connection stands: bytes may flow.
    pub fn open_tunnel(&mut self, client: &mut Client, upstream: &mut Upstream) {
        client.phase = Phase::Tunnel;
        if let Some(exchange) = &mut client.exchange {
            exchange.stage = Stage::Responding;
        }
        if let Some(record) = &mut client.record {
            record.received_bytes = Some(0);
        }
        self.pump_down(client, upstream);
        if !client.line.is_closing {
            self.pump_up(client, upstream);
        }
    }

    /// Moves what a client has sent to the server.
    pub fn pump_up(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let moved =
            move_bytes(&mut client.line, &mut upstream.line, &mut self.ring, &mut self.spares);
        if let Some(record) = &mut client.record {
            record.received_bytes = record.received_bytes.map(|bytes| bytes + moved as u64);
        }
        self.after_pump(client, upstream);
    }

    /// Moves what a server has sent to the client.
    pub fn pump_down(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let moved =
            move_bytes(&mut upstream.line, &mut client.line, &mut self.ring, &mut self.spares);
        if let Some(exchange) = &mut client.exchange {
            exchange.body_bytes += moved as u64;
        }
        self.after_pump(client, upstream);
    }

    fn after_pump(&mut self, client: &mut Client, upstream: &mut Upstream) {
        let is_over = |line: &Line| line.has_ended && line.is_drained();
        let is_done = is_over(&client.line)
            && is_over(&upstream.line)
            && client.line.is_flushed()
            && upstream.line.is_flushed();
        if is_done {
            upstream.line.close(&mut self.ring, &mut self.spares);
            self.end_exchange(client, upstream, COMPLETE);
            return self.close_client(client);
        }
        let tunnel_ms =
            client.exchange.as_ref().map_or(0, |one| one.pool.config.timeouts.tunnel_ms);
        self.set_deadline(client, i64::from(tunnel_ms));
    }

    /// The server's side of a tunnel has ended or broken.
    pub fn on_tunnel_ended(
        &mut self,
        client: &mut Client,
        upstream: &mut Upstream,
        end: ReceiveEnd,
    ) {
        match end {
            ReceiveEnd::EndOfStream => self.pump_down(client, upstream),
            ReceiveEnd::Error(_) => {
                self.reset_both(client, upstream, "the server broke the connection");
            }
        }
    }

    /// A tunnel breaks, and not by its server.
    pub fn reset_tunnel(&mut self, client: &mut Client, end: &str) {
        self.with_upstream_of(
            client,
            |core, client, upstream| core.reset_both(client, upstream, end),
            |core, client| core.abort(client, end),
        );
    }

    /// One side has broken: the other must not take that for an end.
    pub fn reset_both(&mut self, client: &mut Client, upstream: &mut Upstream, end: &str) {
        upstream.line.reset(&mut self.ring, &mut self.spares);
        self.end_exchange(client, upstream, end);
        self.reset_client(client);
    }
}

/// How many bytes have been moved.
fn move_bytes(from: &mut Line, to: &mut Line, ring: &mut NetRing, spares: &mut Spares) -> usize {
    let length = from.bytes(ring).len();
    if !from.is_drained() {
        if to.is_backlogged() {
            from.keep_if_scarce(ring, spares);
            return 0;
        }
        from.forward(0, length, to, ring, spares);
        to.flush(ring);
    }
    if from.has_ended {
        to.finish_writing(ring);
    } else if !to.is_backlogged() {
        from.receive(ring);
    }
    length
}
