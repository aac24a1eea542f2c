//! Where the fronts of a core ask.
//!
//! Job: match questions and have the engine decide them. In: questions. Out: verdicts, at once or later.
//! Invariant: each question is counted once, when its verdict is known.

use ahash::AHashMap;
use ringlet_limit::request::{Action, Matched, Verdict};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::time::Now;
use ringlet_limit_carrier::station::Station;
use ringlet_runtime::clock;
use ringlet_runtime::ring::SocketId;

use crate::audit::{AuditLog, Instant};
use crate::front::{BadQuestion, Desk, Question};
use crate::report::Counters;

/// A question whose verdict is still to come.
#[derive(Debug)]
pub struct Late {
    /// Whose.
    pub socket: SocketId,
    /// The front's word for it.
    pub ticket: u32,
    /// What it was held against, for the counts and the audit log.
    pub matched: Matched,
    /// Taken or only looked at.
    pub action: Action,
}

/// What decides on one core.
pub struct Office {
    /// Engine, messages and the way to the store.
    pub station: Station,
    /// Questions whose verdict is still to come.
    pub late: AHashMap<u64, Late>,
    /// Counts.
    pub counters: Counters,
    /// Denials.
    pub audit: AuditLog,
    matched: Matched,
    /// Emptied, for questions to come.
    spares: Vec<Matched>,
    next_ticket: u64,
}

/// So many emptied lists are kept.
const SPARES_MAX: usize = 256;

impl Office {
    /// An office without questions.
    #[must_use]
    pub fn new(station: Station, audit: AuditLog) -> Self {
        Self {
            station,
            late: AHashMap::new(),
            counters: Counters::default(),
            audit,
            matched: Matched::default(),
            spares: Vec::new(),
            next_ticket: 0,
        }
    }

    /// Counts a verdict, and writes down a denial.
    fn note(&mut self, matched: &Matched, action: Action, verdict: &Verdict, now: Now) {
        if action == Action::Take {
            self.counters.count(matched, verdict);
            if self.audit.is_on {
                self.audit.note(self.station.rules(), matched, verdict, instant(now));
            }
        }
    }

    /// A verdict that was still to come: for whom it is.
    pub fn finish(&mut self, ticket: u64, verdict: &Verdict, now: Now) -> Option<(SocketId, u32)> {
        let late = self.late.remove(&ticket)?;
        self.note(&late.matched, late.action, verdict, now);
        if self.spares.len() < SPARES_MAX {
            self.spares.push(late.matched);
        }
        Some((late.socket, late.ticket))
    }
}

/// When it is, for the audit log.
#[must_use]
pub fn instant(now: Now) -> Instant {
    Instant { monotonic_ns: now.monotonic_ns, wall_clock_ms: clock::wall_clock_ms() }
}

/// The desk of one connection, for one call.
pub struct CoreDesk<'a> {
    /// What decides.
    pub office: &'a mut Office,
    /// Who asks.
    pub socket: SocketId,
    /// The time.
    pub now: Now,
    /// Whether the process is about to end.
    pub is_draining: bool,
}

impl Desk for CoreDesk<'_> {
    fn ask(
        &mut self,
        ticket: u32,
        question: &Question<'_>,
        action: Action,
        verdict: &mut Verdict,
    ) -> Result<bool, BadQuestion> {
        let office = &mut *self.office;
        let mut matched = std::mem::take(&mut office.matched);
        matched.clear();
        let rules = office.station.rules();
        let found = match question {
            Question::Request(request) => rules.matches(request, &mut matched),
            Question::Rule { name, key, cost } => rules.by_name(name, key, *cost, &mut matched),
            Question::Given { key, limit, cost } => rules.given(key, *limit, *cost, &mut matched),
        };
        if let Err(error) = found {
            office.counters.report.refused += 1;
            office.matched = matched;
            return Err(BadQuestion(error.to_string()));
        }
        office.next_ticket += 1;
        let number = office.next_ticket;
        let is_decided =
            office.station.check(&matched, action, number, self.now.monotonic_ns, verdict);
        if is_decided {
            office.note(&matched, action, verdict, self.now);
            office.matched = matched;
        } else {
            office.matched = office.spares.pop().unwrap_or_default();
            let late = Late { socket: self.socket, ticket, matched, action };
            office.late.insert(number, late);
        }
        Ok(is_decided)
    }

    fn now(&self) -> Now {
        self.now
    }

    fn rules(&self) -> &RuleSet {
        self.office.station.rules()
    }

    fn is_draining(&self) -> bool {
        self.is_draining
    }
}
