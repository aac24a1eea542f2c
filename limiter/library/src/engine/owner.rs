//! The keys that this core owns.
//!
//! Job: answer for them, lend from them, take corrections. In: questions of this core and of others.
//! Out: answers, loans. Invariant: one answer for each question, at once or when the store has spoken.

use super::borrower::{Clocks, Settlement, refused_until_ns};
use super::limits::{Found, Known, Resolved, Unresolved, resolve};
use super::message::{Key, Loan, Message};
use super::{Engine, Leased};
use crate::algorithm::{Cell, Outcome, Spread};
use crate::lease::{Answer, Asker, Decided, Effects, Lease, StoreUse, TICK_MS, Terms};
use crate::model::OnStoreFailure;
use crate::request::{Action, LimitRef};
use crate::time::{NEVER, NS_PER_MS, Now};
use crate::window::{Window, window_at};

/// A core that asks so often for one key within a tick is lent tokens.
const HOT_QUESTIONS: u64 = 8;
/// Loans smaller than this save nothing.
const LOAN_MIN: u64 = 4;
/// A window is counted by the store if it is longer than so many errors of its clock.
const CLOCK_ERRORS_PER_WINDOW: u64 = 8;
/// Keys and cores whose questions are counted.
const HEAT_MAX: usize = 4096;

/// A question about a key, on its owner.
#[derive(Copy, Clone)]
pub struct Owned<'a> {
    /// The limit.
    pub limit: LimitRef,
    /// The hash.
    pub hash: u64,
    /// The text, for leases.
    pub text: &'a [u8],
}

impl<'a> From<&'a Key> for Owned<'a> {
    fn from(key: &'a Key) -> Self {
        Self { limit: key.limit, hash: key.hash, text: &key.text }
    }
}

/// A question that is not held against any limit.
fn unlimited() -> Answer {
    let outcome = Outcome { is_allowed: true, remaining: NEVER, ..Outcome::default() };
    Answer { outcome, by: Decided::Limit }
}

/// A question that cannot be answered, as there is no place for it.
fn overloaded() -> Answer {
    let retry_after_ns = TICK_MS * NS_PER_MS;
    let outcome = Outcome { retry_after_ns, ..Outcome::default() };
    Answer { outcome, by: Decided::Overload }
}

impl Engine {
    /// A message of another core.
    pub fn on_message(&mut self, message: Message, now: Now) {
        self.now = now;
        match message {
            Message::Ask { asker, action, key, cost } => {
                let found = self.find(&key.limit);
                let answer = self.ask_owned(Owned::from(&key), found, action, cost, asker, now);
                if action == Action::Take {
                    self.note_heat(&key, cost, asker.core, answer.as_ref(), now);
                }
                if let Some(answer) = answer {
                    self.messages.push((asker.core, Message::Answer { asker, answer }));
                }
            }
            Message::Rules(rules) => self.apply(rules, now),
            Message::Answer { asker, answer } => self.on_answer(asker, answer),
            Message::Correct { action, key, amount, taken } => {
                self.correct_owned(Owned::from(&key), action, amount, taken, now);
            }
            Message::Lend { hash, limit, loan } => {
                if let Some(settlement) = self.loans.add(hash, limit, loan) {
                    self.settle(settlement);
                }
            }
            Message::Settle { core, key, spent, returned, window_ms, wanted } => {
                let Key { limit, hash, .. } = key;
                let settlement = Settlement { hash, limit, spent, returned, window_ms, wanted };
                self.on_settlement(core, &settlement, now);
            }
        }
        self.deliver();
    }

    /// Finds a limit, and forgets others for a new one if there is no place for it.
    pub(super) fn find(&mut self, limit: &LimitRef) -> Result<Found, Unresolved> {
        let has_store = self.settings.has_store;
        let found = resolve(&self.rules, &mut self.given, limit, has_store).map(Found::from);
        if found.is_err_and(|why| why == Unresolved::TooMany) && self.make_room_for_limits(self.now)
        {
            return resolve(&self.rules, &mut self.given, limit, has_store).map(Found::from);
        }
        found
    }

    /// Takes or peeks on a key of this core. `None`: the store is asked.
    pub(super) fn ask_owned(
        &mut self,
        key: Owned<'_>,
        found: Result<Found, Unresolved>,
        action: Action,
        cost: u64,
        asker: Asker,
        now: Now,
    ) -> Option<Answer> {
        let number = match found {
            Ok(Found { is_leased: true, .. }) => {
                return self.ask_lease(key, action, cost, asker, now);
            }
            Ok(found) => found.number,
            Err(Unresolved::NoLimit) => return Some(unlimited()),
            Err(Unresolved::TooMany) => return Some(overloaded()),
        };
        let outcome = self.ask_state(key.hash, number, action, cost, now)?;
        Some(Answer { outcome, by: Decided::Limit })
    }

    /// Takes or peeks where the state is here.
    pub(super) fn ask_state(
        &mut self,
        hash: u64,
        number: u32,
        action: Action,
        cost: u64,
        now: Now,
    ) -> Option<Outcome> {
        let cell = self.cell(hash, number, now)?;
        let algorithm = cell.limit.algorithm;
        if action == Action::Take && cost > 0 {
            return Some((algorithm.take)(cell, cost));
        }
        let mut outcome = (algorithm.take)(cell, 0);
        outcome.is_allowed &= cost <= outcome.remaining;
        Some(outcome)
    }

    /// The state of a key whose limit has been resolved.
    fn cell(&mut self, hash: u64, number: u32, now: Now) -> Option<Cell<'_>> {
        let known = Known { rules: &self.rules, given: &self.given };
        let limit = known.find(number)?;
        Some(self.table.cell(hash, number, limit, &known, now))
    }

    fn ask_lease(
        &mut self,
        key: Owned<'_>,
        action: Action,
        cost: u64,
        asker: Asker,
        now: Now,
    ) -> Option<Answer> {
        if !self.find_lease(key, now) {
            let has_store = self.settings.has_store;
            let resolved = resolve(&self.rules, &mut self.given, &key.limit, has_store);
            let is_open = resolved.is_ok_and(|one| one.on_failure == OnStoreFailure::Open);
            return Some(if is_open { unlimited() } else { overloaded() });
        }
        let mut answer = None;
        self.with_lease(key.hash, now, |lease, terms, effects| {
            answer = if action == Action::Take && cost > 0 {
                lease.take(cost, asker, terms, effects)
            } else {
                Some(lease.peek(cost, terms))
            };
        });
        answer
    }

    /// Makes sure that there is a lease. False if there is no place for it.
    fn find_lease(&mut self, key: Owned<'_>, now: Now) -> bool {
        if !self.leases.contains_key(&key.hash) {
            if self.leases.len() >= self.settings.leases_max {
                self.make_room(now);
            }
            if self.leases.len() >= self.settings.leases_max {
                return false;
            }
            let lease = Lease::new(key.text);
            self.leases.insert(key.hash, Leased { lease, limit: key.limit, is_busy: false });
        }
        let Some(leased) = self.leases.get_mut(&key.hash) else { return false };
        if !leased.is_busy {
            leased.is_busy = true;
            self.busy.push(key.hash);
        }
        true
    }

    /// Calls `act` with a lease and what it needs to know.
    pub(super) fn with_lease(
        &mut self,
        hash: u64,
        now: Now,
        act: impl FnOnce(&mut Lease, &Terms<'_>, &mut Effects<'_>),
    ) {
        let clocks = self.clocks(now);
        let now = clocks.store;
        let Some(leased) = self.leases.get_mut(&hash) else { return };
        let has_store = self.settings.has_store;
        let resolved = resolve(&self.rules, &mut self.given, &leased.limit, has_store);
        let Ok(Resolved { limit, mode, on_failure, .. }) = resolved else { return };
        let window = window_at(limit, &mut self.memory, now.unix_ms);
        let is_inside = super::borrower::is_inside(window, now.unix_ms, clocks.error_ms);
        // A window that is over before the clocks agree that it has begun: the store is of no help.
        let sure_ms = window.end_ms.saturating_sub(window.start_ms);
        let mut view = self.view;
        view.is_up &= sure_ms > CLOCK_ERRORS_PER_WINDOW * clocks.error_ms;
        let store = match on_failure {
            _ if !view.is_up && self.is_starting => StoreUse::Awaited,
            _ if !view.is_up => StoreUse::Down,
            OnStoreFailure::Share if now.monotonic_ns < self.learns_until_ns => StoreUse::Learning,
            OnStoreFailure::Closed if now.monotonic_ns < self.recounts_until_ns => {
                StoreUse::Learning
            }
            _ => StoreUse::Up,
        };
        let terms = Terms {
            limit,
            mode,
            on_failure,
            window: is_inside.then_some(window),
            now,
            view,
            store,
            settings: &self.settings.lease,
        };
        let mut effects = Effects {
            answers: &mut self.answers,
            calls: &mut self.calls,
            next_call: &mut self.next_call,
            memory: &mut self.memory,
            asks: &mut self.asks,
            hash,
        };
        act(&mut leased.lease, &terms, &mut effects);
    }

    /// Gives back to a key of this core what was taken at `taken`, or takes what was used already.
    pub(super) fn correct_owned(
        &mut self,
        key: Owned<'_>,
        action: Action,
        amount: u64,
        taken: Now,
        now: Now,
    ) {
        let has_store = self.settings.has_store;
        let (then, present) = (self.clocks(taken), self.clocks(now));
        let resolved = resolve(&self.rules, &mut self.given, &key.limit, has_store);
        let Ok(Resolved { number, is_leased, limit, .. }) = resolved else { return };
        let mut window =
            |clocks: &Clocks| window_at(limit, &mut self.memory, clocks.of(is_leased).unix_ms);
        if action == Action::GiveBack && window(&then) != window(&present) {
            return;
        }
        if is_leased {
            // An undo comes without a text: if there is no lease any more, there is nothing to undo.
            let is_known = self.leases.contains_key(&key.hash);
            if (!is_known && key.text.is_empty()) || !self.find_lease(key, now) {
                return;
            }
            self.with_lease(key.hash, now, |lease, terms, effects| match action {
                Action::Force => lease.force(amount, terms, effects),
                _ => lease.give_back(amount, terms, effects),
            });
            return;
        }
        if let Some(cell) = self.cell(key.hash, number, now) {
            match action {
                Action::Force => (cell.limit.algorithm.force)(cell, amount),
                _ => (cell.limit.algorithm.give_back)(cell, amount),
            }
        }
    }

    fn note_heat(&mut self, key: &Key, cost: u64, core: usize, answer: Option<&Answer>, now: Now) {
        let is_full = self.heat.len() >= HEAT_MAX;
        let questions = match self.heat.get_mut(&(key.hash, core)) {
            Some(questions) => questions,
            None if is_full => return,
            None => self.heat.entry((key.hash, core)).or_default(),
        };
        *questions += 1;
        let wanted = 2 * *questions;
        if *questions % HOT_QUESTIONS == 0 {
            // What the store does not say, each core says as it is asked.
            let is_final = |answer: &&Answer| answer.by == Decided::Limit;
            let refusal = answer.filter(is_final).map(|answer| answer.outcome);
            let refusal = refusal.filter(|said| !said.is_allowed).map(|said| (cost, said));
            self.lend(key.hash, key.limit, core, wanted, refusal, now);
        }
    }

    /// Lends what can be spared, or says how long the refusal of a cost holds.
    fn lend(
        &mut self,
        hash: u64,
        limit: LimitRef,
        core: usize,
        wanted: u64,
        refusal: Option<(u64, Outcome)>,
        now: Now,
    ) {
        let has_store = self.settings.has_store;
        let resolved = resolve(&self.rules, &mut self.given, &limit, has_store);
        let Ok(Resolved { number, is_leased, limit: numbers, .. }) = resolved else { return };
        if numbers.algorithm.spread == Spread::Node {
            return;
        }
        let loan = if is_leased {
            self.loan_of_lease(hash, wanted, now)
        } else {
            let window = window_at(numbers, &mut self.memory, now.unix_ms);
            self.loan_of_state(hash, number, wanted, window, now)
        };
        let Some(mut loan) = loan else { return };
        if let Some((cost, refusal)) = refusal.filter(|_| loan.tokens == 0) {
            loan.refused_cost = cost;
            loan.refused_until_ns = refused_until_ns(&refusal, now, TICK_MS);
        }
        if loan.tokens > 0 || loan.refused_until_ns > 0 {
            self.messages.push((core, Message::Lend { hash, limit, loan }));
        }
    }

    fn loan_of_lease(&mut self, hash: u64, wanted: u64, now: Now) -> Option<Loan> {
        let mut loan = None;
        self.with_lease(hash, now, |lease, terms, _| {
            let tokens = lease.lend(wanted, terms);
            let outcome = lease.peek(1, terms).outcome;
            loan = Some(Loan {
                tokens,
                window: lease.window(),
                is_leased: true,
                expires_ns: lease.expires_ns(),
                refused_until_ns: 0,
                refused_cost: 0,
                remaining: outcome.remaining.max(tokens),
                reset_at_ns: now.monotonic_ns.saturating_add(outcome.reset_after_ns),
            });
        });
        loan
    }

    fn loan_of_state(
        &mut self,
        hash: u64,
        number: u32,
        wanted: u64,
        window: Window,
        now: Now,
    ) -> Option<Loan> {
        // The owner and each other core may want as much: nobody gets more than its part of one half.
        let parts = 2 * self.settings.cores as u64;
        let cell = self.cell(hash, number, now)?;
        let algorithm = cell.limit.algorithm;
        let outcome = (algorithm.take)(cell, 0);
        let wanted = wanted.min(outcome.remaining / parts);
        let tokens = if wanted < LOAN_MIN {
            0
        } else {
            (algorithm.lend)(self.cell(hash, number, now)?, wanted)
        };
        Some(Loan {
            tokens,
            window,
            is_leased: false,
            expires_ns: NEVER,
            refused_until_ns: 0,
            refused_cost: 0,
            remaining: outcome.remaining,
            reset_at_ns: now.monotonic_ns.saturating_add(outcome.reset_after_ns),
        })
    }

    fn on_settlement(&mut self, core: usize, settlement: &Settlement, now: Now) {
        let &Settlement { hash, limit, spent, returned, window_ms, wanted } = settlement;
        let has_store = self.settings.has_store;
        let resolved = resolve(&self.rules, &mut self.given, &limit, has_store);
        let Ok(Resolved { number, is_leased, limit: numbers, .. }) = resolved else { return };
        if is_leased {
            self.with_lease(hash, now, |lease, terms, effects| {
                lease.settle(spent, returned, window_ms, terms, effects);
            });
        } else if window_at(numbers, &mut self.memory, now.unix_ms).start_ms == window_ms
            && let Some(cell) = self.cell(hash, number, now)
        {
            (cell.limit.algorithm.settle)(cell, spent, returned);
        }
        if wanted > 0 {
            self.lend(hash, limit, core, wanted, None, now);
        }
    }
}
