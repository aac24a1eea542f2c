//! From a verdict to what becomes of the request.
//!
//! Job: ask, wait, and let in or refuse. In: requests whose limits have been found. Out: requests that
//! enter their pool; 429 and its kin (TCP: a reset). Invariant: a request is asked about once; what was
//! taken for one whose client has gone meanwhile goes back.

use std::sync::atomic::Ordering;

use ringlet_limit::headers::{Report, denial_status, write_headers};
use ringlet_limit::request::{LimitRef, Matched, Part, Reason, Verdict};
use ringlet_limit::time::NS_PER_MS;

use super::limiter::{Waiting, permits};
use super::view::{ConnectionView, HeadView};
use crate::client::{Client, Stage};
use crate::core::Core;
use crate::limits::{CHECK_TIMEOUT_MS, TICK_BUSY_MS};
use crate::model::Mode;

impl Core {
    /// Finds the limits of the request whose head has just been read; true if there are any.
    ///
    /// # Errors
    /// Why the request cannot be held against them.
    pub fn find_limits(&mut self, client: &Client, route: Option<usize>) -> Result<bool, String> {
        let limits = &client.listener.limits;
        let slots = limits.of(route);
        let Some(limiter) = self.limiter.as_deref_mut().filter(|_| !slots.is_empty()) else {
            return Ok(false);
        };
        let mut lower = std::mem::take(&mut limiter.lower);
        let input = client.line.bytes(&self.ring);
        let peer = client.address.map(|address| address.ip());
        let view = HeadView::new(&self.request_head, input, &mut lower, &limits.client, peer);
        let found = limiter.find(slots, &view).map_err(|error| error.to_string());
        limiter.lower = lower;
        found
    }

    /// The same for a connection in TCP mode.
    pub fn find_connection_limits(&mut self, client: &Client) -> bool {
        let slots = client.listener.limits.of(None);
        let limiter = self.limiter.as_deref_mut().filter(|_| !slots.is_empty());
        let view = ConnectionView(client.address.map(|address| address.ip()));
        limiter.is_some_and(|limiter| limiter.find(slots, &view).unwrap_or(false))
    }

    /// Asks for what was found; the request goes on, ends or waits.
    pub fn ask_limits(&mut self, client: &mut Client) {
        let now_ns = self.now_ns();
        let Some(limiter) = self.limiter.as_deref_mut() else { return self.enter_pool(client) };
        if limiter.ask(client.line.socket, now_ns) {
            let (mut verdict, matched) =
                (std::mem::take(&mut limiter.verdict), std::mem::take(&mut limiter.matched));
            self.on_verdict(client, &mut verdict, &matched);
            if let Some(limiter) = self.limiter.as_deref_mut() {
                (limiter.verdict, limiter.matched) = (verdict, matched);
            }
            return;
        }
        if let Some(exchange) = &mut client.exchange {
            exchange.stage = Stage::Checking;
            exchange.ticket = limiter.last_ticket();
        }
        self.wait_for_limits(client, CHECK_TIMEOUT_MS);
    }

    /// It waits so long at most. Whether the client stays is seen, but one buffer is all that it may send.
    fn wait_for_limits(&mut self, client: &mut Client, time_ms: i64) {
        client.line.keep(&mut self.ring, &mut self.spares);
        client.line.receive(&mut self.ring);
        self.set_deadline(client, time_ms);
    }

    /// A verdict that had to wait has come.
    pub(super) fn on_finished(&mut self, ticket: u64, mut verdict: Verdict) {
        let waiting = self.limiter.as_deref_mut().and_then(|limiter| limiter.take_waiting(ticket));
        let Some(Waiting { client, matched }) = waiting else { return };
        let mut client = self.clients.take(client);
        let asker = client.as_deref_mut().filter(|client| {
            let exchange = client.exchange.as_ref();
            !client.line.is_closing
                && exchange.is_some_and(|one| one.stage == Stage::Checking && one.ticket == ticket)
        });
        match asker {
            Some(asker) => self.on_verdict(asker, &mut verdict, &matched),
            None if verdict.is_allowed => self.give_back_limits(&matched),
            None => {}
        }
        if let Some(client) = client {
            self.clients.put(client);
        }
        if let Some(limiter) = self.limiter.as_deref_mut() {
            limiter.keep(matched);
        }
    }

    /// What was taken is not needed, or not any more.
    pub fn give_back_limits(&mut self, matched: &Matched) {
        let now_ns = self.now_ns();
        if let Some(limiter) = self.limiter.as_deref_mut() {
            limiter.give_back(matched, now_ns);
        }
    }

    fn on_verdict(&mut self, client: &mut Client, verdict: &mut Verdict, matched: &Matched) {
        self.count_verdict(client, verdict);
        // Whoever is let in later need not know that it has waited.
        let delays = verdict.parts.iter_mut().filter(|part| !part.is_shadow);
        let delay_ns = delays.map(|part| std::mem::take(&mut part.outcome.delay_ns)).max();
        let now_ns = self.now_ns();
        let config = &client.listener.config;
        if let (Some(limiter), Some(exchange)) = (&self.limiter, &mut client.exchange)
            && config.mode == Mode::Http
        {
            let station = &limiter.station;
            let unix_ms = station.at(now_ns).unix_ms;
            let report = Report { rules: station.rules(), verdict, unix_ms };
            exchange.limit_fields = self.spares.buffer();
            write_headers(config.rate_limit_headers, &report, &mut exchange.limit_fields);
        }
        if !verdict.is_allowed {
            return self.deny(client, verdict);
        }
        if let Some(exchange) = &mut client.exchange {
            exchange.held = permits(&client.listener.limits, matched);
        }
        match delay_ns {
            Some(delay_ns @ 1..) => self.delay(client, delay_ns),
            _ => self.enter_pool(client),
        }
    }

    /// A rule that shapes lets it in, but not yet.
    fn delay(&mut self, client: &mut Client, delay_ns: u64) {
        if let Some(exchange) = &mut client.exchange {
            exchange.stage = Stage::Delaying;
        }
        let delay_ms = i64::try_from(delay_ns.div_ceil(NS_PER_MS)).unwrap_or(i64::MAX / 2);
        self.wait_for_limits(client, delay_ms);
        self.ring.set_tick_ms(TICK_BUSY_MS);
    }

    fn deny(&mut self, client: &mut Client, verdict: &Verdict) {
        let listener = client.listener.clone();
        listener.state.rows.of(self.index).denied.add(1);
        let text = self.denial_text(verdict);
        if listener.config.mode == Mode::Tcp {
            return self.abort(client, &text);
        }
        let status = denial_status(verdict.reason, listener.config.rate_limit_status);
        if let Some(exchange) = &mut client.exchange {
            exchange.status = status;
        }
        self.answer(client, status, &text, &text);
    }

    /// What the page and the access log say.
    fn denial_text(&self, verdict: &Verdict) -> String {
        let refusing = |part: &&Part| !part.is_shadow && !part.outcome.is_allowed;
        let rules = self.limiter.as_ref().map(|limiter| limiter.station.rules());
        let rule = verdict.parts.iter().find(refusing).and_then(|part| match part.limit {
            LimitRef::Rule(slot) => rules?.rule(slot),
            LimitRef::Given(_) => None,
        });
        let name = rule.map_or("that was removed", |rule| rule.name.as_str());
        match verdict.reason {
            Reason::Limits => format!("rate limit {name} is used up"),
            Reason::Store => format!("rate limit {name}: its store does not answer"),
            Reason::Lists => "the access list refuses this client".to_owned(),
            Reason::Overload => "too many requests wait for their rate limits".to_owned(),
        }
    }

    fn count_verdict(&self, client: &Client, verdict: &Verdict) {
        for part in &verdict.parts {
            let LimitRef::Rule(slot) = part.limit else { continue };
            let Some(state) = client.listener.limits.state(slot) else { continue };
            let row = state.rows.of(self.index);
            match (part.outcome.is_allowed, part.is_shadow) {
                (true, _) => row.allowed.add(1),
                (false, false) => row.denied.add(1),
                (false, true) => row.would_deny.add(1),
            }
        }
    }

    /// The monotonic clock at the beginning of this pass.
    pub(super) fn now_ns(&self) -> u64 {
        self.now_us * 1000
    }

    /// For whoever looks at the process from outside.
    pub(super) fn tell_of_store(&self) {
        let store = self.limiter.as_ref().and_then(|limiter| limiter.station.store());
        if let (0, Some(store)) = (self.index, store) {
            self.shared.is_store_up.store(store.is_up, Ordering::Relaxed);
        }
    }
}
