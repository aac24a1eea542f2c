//! What the log needs of a request when it has ended.
//!
//! Job: keep what a request's head has said and what happens to it, and turn it into an entry. In: heads,
//! moments, ends. Out: lines of the core's log.
//! Invariant: a client has a record only if its listener logs, so that all others cost one test of an
//! `Option`; each request, refused, cut off or served, leaves one line.

use std::ops::Range;
use std::sync::Arc;

use ringlet_protocol::http1::{Known, RequestHead};
use ringlet_runtime::clock;

use super::format::{Entry, Subject, write_line};
use crate::client::{Client, Exchange};
use crate::core::Core;
use crate::model::Mode;
use crate::state::ServerState;

/// What is kept of a request, or of a connection in TCP mode.
#[derive(Default)]
pub struct Record {
    /// Parts of the head, one after the other.
    text: Vec<u8>,
    request: Option<Request>,
    referrer: Option<Range<usize>>,
    user_agent: Option<Range<usize>>,
    request_id: Option<Range<usize>>,
    /// When the response's head was complete.
    pub head_at_us: Option<u64>,
    /// Since when it waits for a server.
    pub queued_at_us: Option<u64>,
    /// How long it has waited.
    pub queue_us: u64,
    /// How often a server was chosen.
    pub attempts: u32,
    /// The server that was chosen last.
    pub server: Option<Arc<ServerState>>,
    /// What a tunnel has brought from the client.
    pub received_bytes: Option<u64>,
}

struct Request {
    method: Range<usize>,
    target: Range<usize>,
    version_minor: u8,
}

impl Record {
    /// What the log needs of a head, in an empty buffer.
    #[must_use]
    pub fn of_request(head: &RequestHead, input: &[u8], buffer: Vec<u8>) -> Box<Self> {
        let mut record = Box::new(Self { text: buffer, ..Self::default() });
        record.request = Some(Request {
            method: record.keep(head.method(input)),
            target: record.keep(head.target(input)),
            version_minor: head.version_minor(),
        });
        for field in head.fields() {
            if field.known == Known::Referer {
                record.referrer = Some(record.keep(field.value(input)));
            } else if field.name(input).eq_ignore_ascii_case(b"user-agent") {
                record.user_agent = Some(record.keep(field.value(input)));
            }
        }
        record
    }

    /// The id that goes to the server.
    pub fn keep_request_id(&mut self, id: &[u8]) {
        self.request_id = Some(self.keep(id));
    }

    /// It waits no longer.
    pub fn leave_queue(&mut self, now_us: u64) {
        if let Some(since_us) = self.queued_at_us.take() {
            self.queue_us += now_us.saturating_sub(since_us);
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        start..self.text.len()
    }

    fn part(&self, range: &Option<Range<usize>>) -> Option<&[u8]> {
        range.clone().map(|range| &self.text[range])
    }
}

impl Core {
    /// Whatever the client is about has ended without ever having had an exchange.
    pub fn log_refusal(
        &mut self,
        client: &mut Client,
        status: Option<u16>,
        body_bytes: usize,
        end: &str,
    ) {
        if client.listener.config.log.is_some() {
            let record = client.record.take().unwrap_or_default();
            self.write_log_entry(client, *record, None, (status, body_bytes as u64), end);
        }
    }

    /// An exchange has ended.
    pub fn log_exchange(
        &mut self,
        client: &Client,
        record: Record,
        exchange: &Exchange,
        end: &str,
    ) {
        let status = Some(exchange.status).filter(|status| *status > 0);
        self.write_log_entry(client, record, Some(exchange), (status, exchange.body_bytes), end);
    }

    fn write_log_entry(
        &mut self,
        client: &Client,
        record: Record,
        exchange: Option<&Exchange>,
        (status, body_bytes): (Option<u16>, u64),
        end: &str,
    ) {
        let listener = &client.listener;
        let Some(format) = listener.config.log else { return };
        let subject = match &record.request {
            Some(request) => Subject::Http {
                method: &record.text[request.method.clone()],
                target: &record.text[request.target.clone()],
                version_minor: request.version_minor,
            },
            None if listener.config.mode == Mode::Tcp => Subject::Tcp,
            None => Subject::Unread,
        };
        let since = |at_us: u64| exchange.map(|exchange| at_us.saturating_sub(exchange.started_us));
        let entry = Entry {
            time: self.log.time.text(clock::wall_clock_ms()),
            client: client.address,
            listener: &listener.state.name,
            subject,
            status,
            body_bytes,
            received_bytes: record.received_bytes,
            referrer: record.part(&record.referrer),
            user_agent: record.part(&record.user_agent),
            pool: exchange.map(|exchange| &*exchange.pool.state.name),
            server: record.server.as_ref().map(|server| &*server.name),
            total_us: since(self.now_us),
            head_us: record.head_at_us.and_then(since),
            queue_us: record.queue_us,
            attempts: record.attempts,
            request_id: record.part(&record.request_id),
            end,
        };
        self.log.buffers.add(&listener.state, |out| write_line(out, format, &entry));
        self.spares.keep(record.text);
    }
}
