//! One core's limiter, and the requests that wait for its verdicts.
//!
//! Job: match and ask. In: requests. Out: verdicts, at once or by a ticket. Invariant: each ticket is
//! used once, and forgotten when its verdict comes.

use std::collections::HashMap;

use ringlet_limit::engine::outbox::Post;
use ringlet_limit::request::{Access, Action, HttpView, Item, LimitRef, Matched, Request, Verdict};
use ringlet_limit::rules::BadRequest;
use ringlet_limit_carrier::station::Station;
use ringlet_runtime::ring::SocketId;

use super::ListenerLimits;

/// Emptied lists of limits that are kept for reuse.
const SPARES_MAX: usize = 64;

/// A request whose verdict is still to come.
pub(super) struct Waiting {
    pub client: SocketId,
    /// What it asked for, so that it can be given back.
    pub matched: Matched,
}

/// The limiter of a core.
pub struct Limiter {
    /// Decides.
    pub station: Station,
    /// Where heads have their hosts in lower case.
    pub lower: Vec<u8>,
    /// The limits of the request in hand.
    pub(super) matched: Matched,
    /// What they say.
    pub(super) verdict: Verdict,
    /// On their way to other cores.
    pub(super) posts: Vec<(usize, Post)>,
    waiting: HashMap<u64, Waiting>,
    last_ticket: u64,
    spares: Vec<Matched>,
}

impl Limiter {
    /// One that nobody has asked yet.
    #[must_use]
    pub fn new(station: Station) -> Self {
        Self {
            station,
            lower: Vec::new(),
            matched: Matched::default(),
            verdict: Verdict::default(),
            posts: Vec::new(),
            waiting: HashMap::new(),
            last_ticket: 0,
            spares: Vec::new(),
        }
    }

    /// Finds the limits of a request; true if anything is to be asked.
    ///
    /// # Errors
    /// When the request is over a bound of the matching.
    pub fn find(&mut self, slots: &[u32], http: &dyn HttpView) -> Result<bool, BadRequest> {
        let request = Request { http: Some(http), ..Request::default() };
        self.station.rules().matches_among(slots, &request, &mut self.matched)?;
        Ok(!self.matched.items.is_empty() || self.matched.access == Access::Denied)
    }

    /// Asks for what [`Limiter::find`] has found. True: `verdict` says. False: it comes later, with
    /// [`Limiter::last_ticket`].
    pub(super) fn ask(&mut self, client: SocketId, now_ns: u64) -> bool {
        self.last_ticket += 1;
        let (matched, ticket) = (&self.matched, self.last_ticket);
        if self.station.check(matched, Action::Take, ticket, now_ns, &mut self.verdict) {
            return true;
        }
        let spare = self.spares.pop().unwrap_or_default();
        let matched = std::mem::replace(&mut self.matched, spare);
        self.waiting.insert(ticket, Waiting { client, matched });
        false
    }

    /// The ticket of the question that was asked last.
    pub(super) fn last_ticket(&self) -> u64 {
        self.last_ticket
    }

    /// Who waits for this verdict.
    pub(super) fn take_waiting(&mut self, ticket: u64) -> Option<Waiting> {
        self.waiting.remove(&ticket)
    }

    /// Keeps the memory of a list of limits.
    pub(super) fn keep(&mut self, mut matched: Matched) {
        if self.spares.len() < SPARES_MAX {
            matched.clear();
            self.spares.push(matched);
        }
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&mut self, matched: &Matched, now_ns: u64) {
        self.station.check(matched, Action::GiveBack, 0, now_ns, &mut self.verdict);
    }
}

/// Of what was taken, that which is to be given back when the request ends.
pub(super) fn permits(limits: &ListenerLimits, matched: &Matched) -> Option<Box<Matched>> {
    let is_permit = |item: &Item| match item.limit {
        LimitRef::Rule(slot) => limits.is_permit(slot),
        LimitRef::Given(_) => false,
    };
    if !matched.items.iter().any(is_permit) {
        return None;
    }
    let mut held = Box::new(matched.clone());
    held.items.retain(is_permit);
    Some(held)
}
