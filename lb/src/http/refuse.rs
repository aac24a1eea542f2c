//! Responses that the balancer makes itself.
//!
//! Job: tell a client why it gets nothing else, and end or go on. In: a status and a text. Out: a
//! response. Invariant: what follows on the connection is only read if everybody would agree where the
//! next request begins.

use crate::client::{Client, Phase, Stage};
use crate::core::Core;
use crate::errors::{ErrorContext, write_error};

impl Core {
    /// A request of which nothing could be read, or nothing is to be read, is refused; the connection
    /// ends, as nobody knows where the next request would begin.
    pub fn refuse(&mut self, client: &mut Client, status: u16, text: &str) {
        self.refuse_request(client, status, text, (false, 1));
    }

    /// A request is refused, and the connection ends: this client should not go on. `(is_head,
    /// version_minor)` is what its head has said.
    pub fn refuse_request(
        &mut self,
        client: &mut Client,
        status: u16,
        text: &str,
        (is_head, minor): (bool, u8),
    ) {
        let row = client.listener.state.rows.of(self.index);
        match status {
            408 => row.request_timeouts.add(1),
            // Well-formed, but there is nothing for them.
            404 | 405 | 503 => {}
            _ => row.bad_requests.add(1),
        }
        client.closes_after = true;
        client.phase = Phase::Exchange;
        let body_bytes = self.write_answer(client, status, text, is_head, minor);
        self.log_refusal(client, Some(status), body_bytes, text);
        self.deliver_answer(client);
    }

    /// A well-formed request cannot be served.
    pub fn answer_failure(&mut self, client: &mut Client, status: u16, text: &str) {
        let Some(exchange) = &client.exchange else { return };
        if exchange.stage == Stage::Responding {
            self.finish_exchange(client, text);
            return self.reset_client(client);
        }
        let page_text = format!("{text} (pool {})", exchange.pool.state.name);
        self.answer(client, status, &page_text, text);
    }

    /// Ends a request with a response that says `text`; `end` is for the log.
    pub fn answer(&mut self, client: &mut Client, status: u16, text: &str, end: &str) {
        let Some(exchange) = &client.exchange else { return };
        let (is_head, minor) = (exchange.kind.is_head, exchange.version_minor);
        client.closes_after =
            !exchange.keeps_alive || !exchange.body.has_ended() || self.is_draining;
        let body_bytes = self.write_answer(client, status, text, is_head, minor);
        if let Some(exchange) = &mut client.exchange {
            exchange.body_bytes = body_bytes as u64;
        }
        self.finish_exchange(client, end);
        self.deliver_answer(client);
    }

    /// Writes it, and returns the length of its body.
    fn write_answer(
        &mut self,
        client: &mut Client,
        status: u16,
        text: &str,
        is_head: bool,
        minor: u8,
    ) -> usize {
        let listener = client.listener.clone();
        let class = usize::from(status / 100).min(5);
        listener.state.rows.of(self.index).responses[class].add(1);
        let context = ErrorContext {
            pages: &listener.config.error_pages,
            client_minor: minor,
            is_head,
            keeps_alive: !client.closes_after,
            fields: client.exchange.as_ref().map_or(&[], |exchange| &exchange.limit_fields),
        };
        client.line.append_with(&mut self.spares, |out| write_error(out, status, &text, &context))
    }

    fn deliver_answer(&mut self, client: &mut Client) {
        client.line.flush(&mut self.ring);
        self.next_request(client);
    }
}
