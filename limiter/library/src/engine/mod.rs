//! One core's part of the limiter.
//!
//! Job: decide checks, lend, borrow and lease. In: checks, messages of other cores, replies of the
//! store, ticks. Out: verdicts, messages, calls. Invariant: all or nothing: what a refused check has
//! taken from some limits goes back; each check gets one verdict.
//!
//! Each key has an owner: the core that its hash names. The owner has the key's state (`table`), or the
//! node's lease of it (`lease`), and answers other cores. A core that asks often is lent tokens
//! (`borrower`), which it spends without asking.

pub mod borrower;
mod check;
pub mod limits;
pub mod message;
pub mod outbox;
mod owner;
mod part;
pub mod pending;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ahash::AHashMap;

use crate::algorithm::Memory;
use crate::lease::{Answer, Asker, Lease, LeaseSettings};
use crate::request::{LimitRef, Verdict};
use crate::rules::RuleSet;
use crate::store::{StoreCall, StoreReply, StoreView};
use crate::table::{Table, TableCounters};
use crate::time::{NS_PER_MS, Now};
use borrower::{Clocks, Loans, Settlement};
use limits::{GivenLimits, Retired};
use message::{Key, Message};
use part::Asked;
use pending::PendingChecks;

/// What an engine is made for.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Its place among `cores`.
    pub core: usize,
    /// Engines of the process.
    pub cores: usize,
    /// Keys that this core remembers.
    pub keys_max: usize,
    /// Keys that this core holds leases of.
    pub leases_max: usize,
    /// Whether there is a store.
    pub has_store: bool,
    /// How leases are kept.
    pub lease: LeaseSettings,
}

/// How long questions wait for a store that has not been reached yet, once the process has begun.
const STARTING_MS: u64 = 1000;
/// How long after an outage tokens are not leased yet: a limiter that is as late as can be to notice that
/// the store is back has told it by then what it has spent.
const LEARNING_MS: u64 = 3000;

/// Leases that look after what a store that came back knows, at a time: with two calls each far fewer than
/// may be on their way.
const RECOUNTS_MAX: usize = 512;

/// A lease with what the engine knows of it.
#[derive(Debug)]
struct Leased {
    lease: Lease,
    limit: LimitRef,
    /// Whether it is in the list of those that a tick visits.
    is_busy: bool,
}

/// What an engine has done so far.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineCounters {
    /// The table.
    pub table: TableCounters,
    /// Leases that are kept.
    pub leases: usize,
    /// Checks that wait.
    pub pending: usize,
    /// Messages to other cores.
    pub messages: u64,
    /// Calls to the store.
    pub store_calls: u64,
    /// Tokens held of the store and not spent.
    pub held: u64,
}

/// The limiter of one core.
#[derive(Debug)]
pub struct Engine {
    settings: EngineSettings,
    rules: Arc<RuleSet>,
    given: GivenLimits,
    table: Table,
    leases: AHashMap<u64, Leased>,
    busy: Vec<u64>,
    /// When it may be worth it again to look for leases that can be forgotten.
    sweeps_again_ns: u64,
    /// The same of limits that requests have brought along.
    sweeps_limits_again_ns: u64,
    /// For windows and shares of leases.
    memory: Memory,
    asks: AHashMap<u64, u64>,
    next_call: u64,
    loans: Loans,
    /// Questions of other cores since the last tick, by key and core.
    heat: AHashMap<(u64, usize), u64>,
    pending: PendingChecks,
    view: StoreView,
    /// Whether the store has never been reached, and the process began but a moment ago.
    is_starting: bool,
    started_ns: Option<u64>,
    /// Until then others may have spent what the store does not know of.
    learns_until_ns: u64,
    /// The same where the store has forgotten what it knew.
    recounts_until_ns: u64,
    /// Leases that may know of counts that the store has lost, and have not looked yet.
    uncounted: Vec<u64>,
    /// Those that do.
    recounting: Vec<u64>,
    messages: Vec<(usize, Message)>,
    calls: Vec<StoreCall>,
    answers: Vec<(Asker, Answer)>,
    finished: Vec<(u64, Verdict)>,
    /// Parts of the check in hand; kept for their memory.
    parts: Vec<Asked>,
    /// Of the last call.
    now: Now,
    messages_sent: u64,
    calls_sent: u64,
}

impl Engine {
    /// An engine that knows no key.
    #[must_use]
    pub fn new(settings: EngineSettings, rules: Arc<RuleSet>) -> Self {
        Self {
            table: Table::new(settings.keys_max),
            settings,
            rules,
            given: GivenLimits::default(),
            leases: AHashMap::new(),
            busy: Vec::new(),
            sweeps_again_ns: 0,
            sweeps_limits_again_ns: 0,
            memory: Memory::default(),
            asks: AHashMap::new(),
            next_call: 1,
            loans: Loans::default(),
            heat: AHashMap::new(),
            pending: PendingChecks::default(),
            view: StoreView::default(),
            is_starting: true,
            started_ns: None,
            learns_until_ns: 0,
            recounts_until_ns: 0,
            uncounted: Vec::new(),
            recounting: Vec::new(),
            messages: Vec::new(),
            calls: Vec::new(),
            answers: Vec::new(),
            finished: Vec::new(),
            parts: Vec::new(),
            now: Now::default(),
            messages_sent: 0,
            calls_sent: 0,
        }
    }

    /// The rules that hold.
    #[must_use]
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// The core that owns a key.
    #[must_use]
    pub fn owner(&self, hash: u64) -> usize {
        // The high half: the low bits choose the place in the table.
        (((hash >> 32) * self.settings.cores as u64) >> 32) as usize
    }

    /// Numbers for metrics.
    #[must_use]
    pub fn counters(&self) -> EngineCounters {
        EngineCounters {
            table: self.table.counters(),
            leases: self.leases.len(),
            pending: self.pending.len(),
            messages: self.messages_sent,
            store_calls: self.calls_sent,
            held: self
                .busy
                .iter()
                .filter_map(|hash| self.leases.get(hash))
                .map(|one| one.lease.held())
                .sum(),
        }
    }

    /// What the store is like now.
    pub fn set_store(&mut self, view: StoreView, now: Now) {
        let is_another = view.incarnation != self.view.incarnation && self.view.incarnation != 0;
        let learns_until_ns = now.monotonic_ns + LEARNING_MS * NS_PER_MS;
        if view.is_up && !self.view.is_up && self.view.has_clock() {
            self.learns_until_ns = learns_until_ns;
        }
        if is_another {
            self.recounts_until_ns = learns_until_ns;
        }
        self.is_starting &= !view.is_up;
        self.view = view;
        if is_another {
            let has_counts = |(&hash, one): (&u64, &Leased)| one.lease.has_counts().then_some(hash);
            self.uncounted = self.leases.iter().filter_map(has_counts).collect();
            self.recounting.clear();
        }
        self.recount(now);
    }

    /// Has leases look after what the store has counted for them, some at a time, each until the store has
    /// said that it knows of it.
    fn recount(&mut self, now: Now) {
        let mut recounting = std::mem::take(&mut self.recounting);
        recounting.retain(|&hash| self.is_uncounted(hash, now));
        while recounting.len() < RECOUNTS_MAX
            && let Some(hash) = self.uncounted.pop()
        {
            if self.is_uncounted(hash, now) {
                recounting.push(hash);
            }
        }
        self.recounting = recounting;
    }

    fn is_uncounted(&mut self, hash: u64, now: Now) -> bool {
        let mut is_uncounted = false;
        self.with_lease(hash, now, |lease, terms, effects| {
            is_uncounted = lease.look_after_counts(terms, effects);
        });
        is_uncounted
    }

    /// Takes up other rules, if they are later than those it has, and tells the other cores: a core may
    /// be asked about a rule before whoever drives it has come to apply it, and what is not known is not
    /// limited. Keys of rules that stay as they were keep what they have used.
    pub fn apply(&mut self, rules: Arc<RuleSet>, now: Now) {
        if rules.generation() <= self.rules.generation() {
            return;
        }
        for core in (0..self.settings.cores).filter(|&core| core != self.settings.core) {
            self.messages.push((core, Message::Rules(Arc::clone(&rules))));
        }
        let retired = |limit: &LimitRef| match limit {
            LimitRef::Rule(slot) => rules.rule(*slot).is_none(),
            LimitRef::Given(_) => false,
        };
        let gone: Vec<u64> = self
            .leases
            .iter()
            .filter(|(_, one)| retired(&one.limit))
            .map(|(&hash, _)| hash)
            .collect();
        for hash in gone {
            self.with_lease(hash, now, |lease, terms, effects| {
                lease.shut_down(terms, effects);
                lease.release_waiters(effects);
            });
            self.leases.remove(&hash);
        }
        self.table.retire(&Retired { former: &self.rules, present: &rules }, now);
        self.rules = rules;
        self.deliver();
    }

    /// To be called every [`TICK_MS`](crate::lease::TICK_MS).
    pub fn tick(&mut self, now: Now) {
        self.now = now;
        let since_ns = now.monotonic_ns - *self.started_ns.get_or_insert(now.monotonic_ns);
        self.is_starting &= since_ns < STARTING_MS * NS_PER_MS;
        self.heat.clear();
        let mut settlements = Vec::new();
        self.loans.tick(&self.clocks(now), |settlement| settlements.push(settlement));
        settlements.into_iter().for_each(|settlement| self.settle(settlement));
        for hash in std::mem::take(&mut self.busy) {
            self.with_lease(hash, now, |lease, terms, effects| lease.tick(terms, effects));
            let now = self.clocks(now).store;
            let Some(leased) = self.leases.get_mut(&hash) else { continue };
            if leased.lease.is_forgettable(now, false) {
                self.leases.remove(&hash);
            } else if leased.lease.has_rested() {
                leased.is_busy = false;
            } else {
                self.busy.push(hash);
            }
        }
        self.recount(now);
        self.deliver();
    }

    /// Gives back everything that is held, and from now on takes no more than is needed at once. The
    /// messages and calls that come of it are to be carried. To be called when no call is under way: what
    /// it brings goes back with the next call of this.
    pub fn shut_down(&mut self, now: Now) {
        self.settings.lease.held_per_mille = 0;
        let mut settlements = Vec::new();
        self.loans.shut_down(|settlement| settlements.push(settlement));
        settlements.into_iter().for_each(|settlement| self.settle(settlement));
        let hashes: Vec<u64> = self.leases.keys().copied().collect();
        for hash in hashes {
            self.with_lease(hash, now, |lease, terms, effects| lease.shut_down(terms, effects));
        }
    }

    /// A reply of the store.
    pub fn on_store(&mut self, id: u64, reply: StoreReply, now: Now) {
        self.now = now;
        let Some(hash) = self.asks.remove(&id) else { return };
        self.with_lease(hash, now, |lease, terms, effects| {
            lease.on_reply(id, reply, terms, effects);
        });
        self.deliver();
    }

    /// Messages to other cores, in order.
    pub fn take_messages(&mut self) -> Vec<(usize, Message)> {
        self.messages_sent += self.messages.len() as u64;
        std::mem::take(&mut self.messages)
    }

    /// Calls to the store, in order.
    pub fn take_store_calls(&mut self) -> Vec<StoreCall> {
        self.calls_sent += self.calls.len() as u64;
        std::mem::take(&mut self.calls)
    }

    /// Verdicts of checks that had to wait.
    pub fn take_finished(&mut self) -> Vec<(u64, Verdict)> {
        std::mem::take(&mut self.finished)
    }

    /// Whether there is anything to be taken.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !(self.messages.is_empty() && self.calls.is_empty() && self.finished.is_empty())
    }

    /// Whether time changes nothing: no lease is in use, no token is lent, no check waits, and the store
    /// has all counts.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let has_counts = self.uncounted.is_empty() && self.recounting.is_empty();
        self.busy.is_empty() && self.loans.is_empty() && self.pending.is_empty() && has_counts
    }

    /// The time by the process's calendar and by the store's, which is the process's own until the
    /// store has been reached.
    fn clocks(&self, own: Now) -> Clocks {
        if !self.view.has_clock() {
            return Clocks { own, store: own, error_ms: 0 };
        }
        let store_ms = (own.monotonic_ns / NS_PER_MS) as i64 + self.view.clock_offset_ms;
        let store = Now { unix_ms: store_ms.max(0) as u64, ..own };
        Clocks { own, store, error_ms: self.view.clock_error_ms }
    }

    /// Hands out what leases have said to those who waited.
    fn deliver(&mut self) {
        // An answer may refuse a check, whose tokens go back and may serve another one.
        while !self.answers.is_empty() {
            for (asker, answer) in std::mem::take(&mut self.answers) {
                if asker.core == self.settings.core {
                    self.on_answer(asker, answer);
                } else {
                    self.messages.push((asker.core, Message::Answer { asker, answer }));
                }
            }
        }
    }

    fn settle(&mut self, settlement: Settlement) {
        let Settlement { hash, limit, spent, returned, window_ms, wanted } = settlement;
        let key = Key { limit, hash, text: Box::default() };
        let core = self.settings.core;
        let message = Message::Settle { core, key, spent, returned, window_ms, wanted };
        self.messages.push((self.owner(hash), message));
    }
}
