//! What happens when somebody takes too long.
//!
//! Job: end each phase that has lasted too long, and say who was slow. In: a deadline that has passed.
//! Out: 408, 503, 504, another try, or a broken connection. Invariant: every phase has a deadline.

use crate::client::{Client, Phase, Stage};
use crate::core::Core;
use crate::serve::Failure;
use crate::upstream::Upstream;

impl Core {
    /// The present phase of a client has lasted too long.
    pub fn on_deadline(&mut self, client: &mut Client) {
        match client.phase {
            Phase::Head => self.refuse(client, 408, "the request did not come in time"),
            Phase::Proxy => {
                client.listener.state.rows.of(self.index).request_timeouts.add(1);
                self.reset_client(client);
            }
            Phase::Idle if !client.line.is_flushed() => self.reset_client(client),
            Phase::Idle | Phase::Lingering => self.close_client(client),
            Phase::Tunnel if self.stage_of(client) == Some(Stage::Responding) => {
                self.reset_tunnel(client, "nothing went either way for too long");
            }
            Phase::Exchange | Phase::Tunnel => match self.stage_of(client) {
                Some(Stage::Checking) => {
                    self.fail(client, 503, "its rate limits could not be asked in time");
                }
                Some(Stage::Delaying) => self.enter_pool(client),
                Some(Stage::Waiting) => {
                    if let Some(exchange) = &client.exchange {
                        exchange.pool.state.rows.of(self.index).queue_timeouts.add(1);
                    }
                    self.fail(client, 503, "no server was free in time");
                }
                Some(Stage::Connecting) => {
                    self.count_connect_failure(client);
                    self.retry(client, None, Failure::Connect);
                }
                Some(Stage::Awaiting) => self.on_silence(client),
                Some(Stage::Responding) => {
                    let gone = |core: &mut Self, client: &mut Client| {
                        core.abort(client, "the client did not read in time");
                    };
                    self.with_upstream_of(client, Self::end_stalled, gone);
                }
                // A response of ours that the client does not take.
                Some(Stage::Choosing) | None => self.reset_client(client),
            },
        }
    }

    /// A response has come to a halt: if the client has all that there was, it is the server's fault.
    fn end_stalled(&mut self, client: &mut Client, upstream: &mut Upstream) {
        if client.line.is_flushed() {
            return self.break_response(client, upstream);
        }
        upstream.server.rows.of(self.index).client_aborts.add(1);
        self.reset_both(client, upstream, "the client did not read in time");
    }

    fn stage_of(&self, client: &Client) -> Option<Stage> {
        client.exchange.as_ref().map(|exchange| exchange.stage)
    }

    fn count_connect_failure(&self, client: &Client) {
        let id = client.exchange.as_ref().and_then(|exchange| exchange.upstream);
        if let Some(upstream) = id.and_then(|id| self.upstreams.get(id)) {
            upstream.server.rows.of(self.index).connect_failures.add(1);
        }
    }

    /// No response yet: the client owes the rest of its body, or the server its answer.
    fn on_silence(&mut self, client: &mut Client) {
        let Some(exchange) = &client.exchange else { return };
        // Whoever has not taken what has come of the body cannot ask for more.
        let takes_body = exchange
            .upstream
            .and_then(|id| self.upstreams.get(id))
            .is_some_and(|upstream| !upstream.line.is_backlogged());
        if takes_body && !exchange.body.has_ended() {
            self.release_upstream(client);
            client.listener.state.rows.of(self.index).request_timeouts.add(1);
            return self.fail(client, 408, "the body of the request did not come in time");
        }
        self.retry(client, None, Failure::Silent);
    }

    fn release_upstream(&mut self, client: &mut Client) {
        let id = client.exchange.as_mut().and_then(|exchange| exchange.upstream.take());
        if let Some(mut upstream) = id.and_then(|id| self.upstreams.take(id)) {
            upstream.client = None;
            upstream.line.reset(&mut self.ring, &mut self.spares);
            self.upstreams.put(upstream);
        }
    }
}
