//! The tokens that a node holds of one key, taken from the store before they are spent.
//!
//! Job: spend, ask ahead, give back, and go on when the store does not answer. In: costs, replies, the
//! time. Out: answers for whoever waits, calls. Invariant: what is spent was granted before, but for
//! `credit` tokens of a soft rule and for what [`OnStoreFailure`] allows; no call is made twice.
//!
//! Tokens of a window are worth nothing in another one. Tokens of a bucket are worth something until
//! [`Lease::expires_ns`], when the store takes them for spent.

mod outage;
mod reply;

use std::collections::VecDeque;

use ahash::AHashMap;

use crate::algorithm::{Memory, Outcome, Spread};
use crate::model::{Limit, Mode, OnStoreFailure};
use crate::store::{StoreCall, StoreCommand, StoreView};
use crate::time::{NEVER, NS_PER_MS, Now};
use crate::window::Window;
use outage::Outage;
pub use reply::can_be_leased;

/// Waiting questions of one key. Who comes when so many wait is refused.
pub const WAITERS_MAX: usize = 16 * 1024;
/// How often demand is measured.
pub const TICK_MS: u64 = 10;
/// A round trip to the store, for what is asked ahead.
const ROUND_TRIP_MS: u64 = 2;
/// How much the chunk exceeds what is needed until the next one comes.
const AHEAD: u64 = 2;
/// A lease that nobody has used for so many ticks is given back.
const IDLE_TICKS: u32 = 3;
/// One that has nothing and that nobody has used for so many ticks is forgotten.
const FORGET_TICKS: u32 = 100;

/// What the leases of a process have in common.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// How long a node goes without asking about an exhausted or steadily used key.
    pub renew_ms: u64,
    /// The most that all nodes may hold unspent of one key, in thousandths of its limit (the bound's
    /// rho). 0: nothing is asked ahead of need.
    pub held_per_mille: u64,
    /// After which the store takes a bucket's tokens for spent.
    pub ttl_ms: u64,
    /// First part of the keys in the store.
    pub prefix: String,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self { renew_ms: 25, held_per_mille: 50, ttl_ms: 2000, prefix: "rl".to_owned() }
    }
}

/// Who asked, to be told later.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// On which core.
    pub core: usize,
    /// Its check.
    pub check: u64,
    /// Which part of it.
    pub part: usize,
}

#[derive(Clone, Debug)]
struct Waiter {
    asker: Asker,
    cost: u64,
}

/// How far the store can be used.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum StoreUse {
    /// It has not been reached since the process began: for a moment everybody waits.
    Awaited,
    /// It cannot be asked.
    Down,
    /// It can be asked again, but others may not have told it yet what they have spent without it. What
    /// is owed is paid; tokens are not leased before all have had the time to do so.
    Learning,
    /// It is asked.
    Up,
}

/// What is known when a lease is used.
pub struct Terms<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// Whether the first request waits.
    pub mode: Mode,
    /// Without the store.
    pub on_failure: OnStoreFailure,
    /// The window by the store's clock. `None` so near to its edge that the clocks may differ on it:
    /// then nothing is spent. Of a bucket: a window without end.
    pub window: Option<Window>,
    /// The time.
    pub now: Now,
    /// The store.
    pub view: StoreView,
    /// How far it can be used for this limit.
    pub store: StoreUse,
    /// Settings.
    pub settings: &'a LeaseSettings,
}

/// What comes of using a lease, besides what the call returns.
pub struct Effects<'a> {
    /// Answers for those who waited.
    pub answers: &'a mut Vec<(Asker, Answer)>,
    /// Calls to the store.
    pub calls: &'a mut Vec<StoreCall>,
    /// The number of the next call; numbers rise as long as the process lives.
    pub next_call: &'a mut u64,
    /// For the local shares of an outage.
    pub memory: &'a mut Memory,
    /// Whose reply is to be brought to which lease.
    pub asks: &'a mut AHashMap<u64, u64>,
    /// The lease's own hash, for `asks`.
    pub hash: u64,
}

impl Effects<'_> {
    fn call(&mut self, command: StoreCommand) -> u64 {
        let id = *self.next_call;
        *self.next_call += 1;
        self.calls.push(StoreCall { id, command });
        id
    }
}

/// What an answer is by.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Decided {
    /// The limit.
    #[default]
    Limit,
    /// This node's share of the limit, as the store cannot be asked.
    Share,
    /// The rule's policy, `open` or `closed`: what the limit would say is not known.
    Policy,
    /// Too much waits.
    Overload,
}

/// What a lease says to one question.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The limit's answer.
    pub outcome: Outcome,
    /// What it is by.
    pub by: Decided,
}

/// What a call is for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Purpose {
    /// Tokens.
    Tokens,
    /// It only looks what a store that came back knows.
    Look,
    /// It counts again what the store has lost, and looks whether it is marked.
    Recount,
}

/// A call that is on its way.
#[derive(Clone, Debug)]
struct Ask {
    id: u64,
    amount: u64,
    /// What there is use for at once: more than `amount` where the store had less at its last word.
    needed: u64,
    purpose: Purpose,
    window: Window,
    /// Of the store that is asked.
    incarnation: u64,
    sent_ns: u64,
}

/// What this node holds of one key.
#[derive(Debug)]
pub struct Lease {
    /// The key's text.
    text: Box<[u8]>,
    /// The window that all amounts are of.
    window: Window,
    /// Tokens to spend.
    balance: u64,
    /// Tokens lent to other cores, as far as they have not said what became of them.
    lent: u64,
    /// Tokens that were spent before they were granted.
    debt: u64,
    /// Tokens that the store has counted for this node in this window.
    granted: u64,
    /// What the store's counter was at its last word, and which store is known to have counted this node's.
    counted: u64,
    incarnation: u64,
    /// Tokens spent in this window less refunds.
    spent: u64,
    /// Tokens spent that the store takes for held, as no call has told it yet. For a bucket.
    unreported: u64,
    /// Tokens left in the store at its last word.
    remaining: u64,
    remaining_at_ns: u64,
    /// Whether the store has said anything of this window.
    is_known: bool,
    /// Until then the store is not asked again, as it had not enough.
    exhausted_until_ns: u64,
    /// What it said of the wait.
    retry_at_ns: u64,
    expires_ns: u64,
    epoch_ms: u64,
    holders: u64,
    ask: Option<Ask>,
    waiters: VecDeque<Waiter>,
    outage: Option<Outage>,
    /// Tokens per second that were spent of late.
    rate_per_s: u64,
    used_in_tick: u64,
    idle_ticks: u32,
}

impl Lease {
    /// A lease that holds nothing yet.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        Self {
            text: text.into(),
            window: Window::ALWAYS,
            balance: 0,
            lent: 0,
            debt: 0,
            granted: 0,
            counted: 0,
            incarnation: 0,
            spent: 0,
            unreported: 0,
            remaining: 0,
            remaining_at_ns: 0,
            is_known: false,
            exhausted_until_ns: 0,
            retry_at_ns: 0,
            expires_ns: NEVER,
            epoch_ms: 0,
            holders: 1,
            ask: None,
            waiters: VecDeque::new(),
            outage: None,
            rate_per_s: 0,
            used_in_tick: 0,
            idle_ticks: 0,
        }
    }

    /// The key's text.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Tokens held and not spent, those of other cores included.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.balance + self.lent
    }

    /// The window that its tokens are of.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// When its tokens are worth nothing any more.
    #[must_use]
    pub fn expires_ns(&self) -> u64 {
        self.expires_ns
    }

    /// Whether a store has counted tokens for it that are not to be forgotten.
    #[must_use]
    pub fn has_counts(&self) -> bool {
        self.granted > 0
    }

    /// Whether there is nothing to do for it until it is used again.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.ask.is_none() && self.waiters.is_empty() && self.held() == 0 && self.debt == 0
    }

    /// Whether it has been at rest for so long that no tick need visit it.
    #[must_use]
    pub fn has_rested(&self) -> bool {
        self.idle_ticks >= FORGET_TICKS && self.is_at_rest()
    }

    /// Whether it may be forgotten: nothing is lost, or nothing but what helps a store that forgot.
    #[must_use]
    pub fn is_forgettable(&self, now: Now, in_need: bool) -> bool {
        let is_over = self.window.end_ms <= now.unix_ms;
        let is_idle = in_need || self.idle_ticks >= FORGET_TICKS;
        is_idle
            && self.is_at_rest()
            && self.outage.as_ref().is_none_or(|outage| outage.is_forgettable(now))
            && (in_need || is_over || self.granted == 0)
    }

    /// Takes `cost`, all or nothing. `None`: the answer comes later, among the [`Effects`].
    pub fn take(
        &mut self,
        cost: u64,
        asker: Asker,
        terms: &Terms<'_>,
        effects: &mut Effects<'_>,
    ) -> Option<Answer> {
        self.bring_up_to_date(terms);
        if cost > terms.limit.burst {
            let never = Outcome { retry_after_ns: NEVER, ..self.outcome(false, terms) };
            return Some(Answer { outcome: never, by: Decided::Limit });
        }
        self.idle_ticks = 0;
        let is_open = terms.window.is_some();
        if is_open && self.waiters.is_empty() && cost <= self.balance {
            self.spend(cost);
            self.consider_asking(terms, effects);
            return Some(self.said(true, terms));
        }
        if is_open && self.is_exhausted(terms.now) {
            return Some(self.said(false, terms));
        }
        if matches!(terms.store, StoreUse::Down | StoreUse::Learning) {
            let answer = self.take_without_store(cost, terms, effects.memory);
            self.consider_asking(terms, effects);
            return Some(answer);
        }
        let credit = match terms.mode {
            Mode::Soft { credit } => credit,
            Mode::Hard => 0,
        };
        if is_open && self.waiters.is_empty() && self.debt + cost <= credit {
            self.debt += cost;
            self.spent += cost;
            self.used_in_tick += cost;
            self.consider_asking(terms, effects);
            return Some(self.said(true, terms));
        }
        if self.waiters.len() >= WAITERS_MAX {
            // Not by the policy: an ask for all that is left is on its way.
            return Some(Answer { outcome: self.outcome(false, terms), by: Decided::Overload });
        }
        self.waiters.push_back(Waiter { asker, cost });
        self.consider_asking(terms, effects);
        None
    }

    /// What `take` would say, as far as is known here.
    pub fn peek(&mut self, cost: u64, terms: &Terms<'_>) -> Answer {
        self.bring_up_to_date(terms);
        let cost = cost.max(1);
        let has_enough = cost <= self.available(terms);
        let mut answer = self.said(has_enough, terms);
        if cost > terms.limit.burst {
            answer.outcome.retry_after_ns = NEVER;
        }
        if !terms.view.is_up {
            answer.by = Decided::Policy;
        }
        answer
    }

    /// Takes what has been used already.
    pub fn force(&mut self, amount: u64, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        self.bring_up_to_date(terms);
        self.idle_ticks = 0;
        let from_balance = amount.min(self.balance);
        self.spend(from_balance);
        let owed = amount - from_balance;
        self.spent += self.owe(owed, terms);
        self.consider_asking(terms, effects);
    }

    /// Takes back what was not used.
    pub fn give_back(&mut self, amount: u64, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        self.bring_up_to_date(terms);
        let amount = match terms.limit.algorithm.spread {
            // What the store knows to be spent drains there, and may have come back already.
            Spread::Bucket => amount.min(self.unreported + self.debt),
            _ => amount.min(self.spent),
        };
        self.spent = self.spent.saturating_sub(amount);
        let owed = amount.min(self.debt);
        self.debt -= owed;
        self.unreported = self.unreported.saturating_sub(amount - owed);
        self.balance += amount - owed;
        self.exhausted_until_ns = 0;
        self.serve(terms, effects);
    }

    /// Gives another core tokens to spend, at most half of what is here.
    pub fn lend(&mut self, wanted: u64, terms: &Terms<'_>) -> u64 {
        self.bring_up_to_date(terms);
        if terms.window.is_none() || !self.waiters.is_empty() {
            return 0;
        }
        let amount = wanted.min(self.balance / 2);
        self.balance -= amount;
        self.lent += amount;
        amount
    }

    /// A core says what became of tokens that it was lent in the window that starts at `window_ms`.
    pub fn settle(
        &mut self,
        spent: u64,
        returned: u64,
        window_ms: u64,
        terms: &Terms<'_>,
        effects: &mut Effects<'_>,
    ) {
        self.bring_up_to_date(terms);
        if window_ms != self.window.start_ms {
            return;
        }
        let spent = spent.min(self.lent);
        let returned = returned.min(self.lent - spent);
        self.lent -= spent + returned;
        self.spent += spent;
        self.unreported += spent;
        self.used_in_tick += spent;
        self.balance += returned;
        if spent > 0 {
            self.idle_ticks = 0;
        }
        self.serve(terms, effects);
    }

    /// To be called every [`TICK_MS`] unless at rest.
    pub fn tick(&mut self, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        self.bring_up_to_date(terms);
        let now_per_s = self.used_in_tick * 1000 / TICK_MS;
        self.rate_per_s = (self.rate_per_s * 3 + now_per_s) / 4;
        self.idle_ticks = if self.used_in_tick == 0 { self.idle_ticks + 1 } else { 0 };
        self.used_in_tick = 0;
        self.serve(terms, effects);
        if !self.waiters.is_empty() || self.ask.is_some() || !terms.view.is_up {
            return;
        }
        let kept = if self.idle_ticks >= IDLE_TICKS { 0 } else { 2 * self.chunk(terms) };
        if self.balance > kept {
            self.return_tokens(self.balance - kept, terms, effects);
        } else if terms.limit.algorithm.spread == Spread::Bucket && self.held() > 0 {
            self.renew(terms, effects);
        }
    }

    /// Gives all back, as the process ends.
    pub fn shut_down(&mut self, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        self.bring_up_to_date(terms);
        self.return_tokens(self.balance, terms, effects);
    }

    /// Everybody who waits is let go, as there is no such limit any more.
    pub fn release_waiters(&mut self, effects: &mut Effects<'_>) {
        let outcome = Outcome { is_allowed: true, ..Outcome::default() };
        for waiter in self.waiters.drain(..) {
            effects.answers.push((waiter.asker, Answer { outcome, by: Decided::Limit }));
        }
    }

    /// Forgets what belongs to another window, and what the store has taken for spent by now.
    fn bring_up_to_date(&mut self, terms: &Terms<'_>) {
        let is_bucket = terms.limit.algorithm.spread == Spread::Bucket;
        if let Some(window) = terms.window.filter(|_| !is_bucket)
            && window.start_ms != self.window.start_ms
        {
            // Time does not go back: it is a later one.
            self.window = window;
            self.balance = 0;
            self.lent = 0;
            self.debt = 0;
            self.granted = 0;
            self.counted = 0;
            self.spent = 0;
            self.is_known = false;
            self.exhausted_until_ns = 0;
        }
        if terms.now.monotonic_ns >= self.expires_ns {
            self.void_bucket();
            self.expires_ns = NEVER;
        }
    }

    /// A bucket's tokens are worth nothing any more. What cores say of those that they were lent is
    /// told from what they say of later ones by the start of the window, which only counts here.
    fn void_bucket(&mut self) {
        self.balance = 0;
        self.lent = 0;
        self.unreported = 0;
        self.window.start_ms += 1;
    }

    /// Adds to what is owed, up to as much as the limit can ever pay at once; says how much that was.
    fn owe(&mut self, amount: u64, terms: &Terms<'_>) -> u64 {
        let before = self.debt;
        self.debt = before.max((before + amount).min(terms.limit.burst));
        self.debt - before
    }

    fn spend(&mut self, cost: u64) {
        self.balance -= cost;
        self.spent += cost;
        self.unreported += cost;
        self.used_in_tick += cost;
    }

    fn is_exhausted(&self, now: Now) -> bool {
        now.monotonic_ns < self.exhausted_until_ns
    }

    /// Serves those who wait, in their order, from what is here; then asks for more.
    fn serve(&mut self, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        if terms.window.is_none() {
            return;
        }
        while let Some(waiter) = self.waiters.front() {
            let (cost, asker) = (waiter.cost, waiter.asker);
            if cost <= self.balance {
                self.spend(cost);
                effects.answers.push((asker, self.said(true, terms)));
            } else if self.is_exhausted(terms.now) {
                effects.answers.push((asker, self.said(false, terms)));
            } else {
                break;
            }
            self.waiters.pop_front();
        }
        self.consider_asking(terms, effects);
    }

    /// Asks the store when those who wait need it, or soon will.
    fn consider_asking(&mut self, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        if self.ask.is_some() || terms.window.is_none() || self.is_exhausted(terms.now) {
            return;
        }
        match terms.store {
            StoreUse::Awaited => return,
            StoreUse::Down => return self.answer_without_store(terms, effects),
            StoreUse::Learning => {
                self.answer_without_store(terms, effects);
                self.end_outage(terms, effects.memory);
                if self.debt > 0 {
                    self.send_ask(self.debt, 0, terms, effects);
                }
                return;
            }
            StoreUse::Up => self.end_outage(terms, effects.memory),
        }
        let chunk = self.chunk(terms);
        let is_low = chunk > 0 && self.balance < chunk.div_ceil(2);
        if self.waiters.is_empty() && self.debt == 0 && !is_low {
            return;
        }
        let waiting_in_all: u64 = self.waiters.iter().map(|waiter| waiter.cost).sum();
        let mut waiting = waiting_in_all;
        if self.is_known && terms.limit.algorithm.spread != Spread::Bucket {
            // To ask a counter for more than there is would make it look exhausted to others.
            let first = self.waiters.front().map_or(0, |waiter| waiter.cost);
            waiting = waiting.min(self.remaining_now(terms)).max(first);
        }
        let amount = (self.debt + waiting + chunk).saturating_sub(self.balance);
        if amount > 0 {
            self.send_ask(amount, 0, terms, effects);
            if let Some(ask) = &mut self.ask {
                ask.needed = amount + (waiting_in_all - waiting.min(waiting_in_all));
            }
        }
    }

    /// What to hold beyond what is needed at once: as much as is used until the next chunk has come,
    /// but never more than a part of what is left, so that all nodes together run out at the same
    /// time; and never more than the share of the limit that may lie about unspent.
    fn chunk(&self, terms: &Terms<'_>) -> u64 {
        let needed = AHEAD * self.rate_per_s * (terms.settings.renew_ms + ROUND_TRIP_MS) / 1000;
        // What a tick gives back as nobody uses it is not asked for again.
        let is_idle = self.idle_ticks >= IDLE_TICKS;
        if needed == 0 || is_idle || terms.settings.held_per_mille == 0 {
            return 0;
        }
        let nodes = terms.view.nodes.max(1);
        let remaining = self.remaining_now(terms);
        let taper = remaining / (2 * self.holders.max(nodes));
        let held_max = terms.limit.burst * terms.settings.held_per_mille / 1000 / nodes;
        needed.min(taper.min(held_max).max(1))
    }

    /// What the store has left, as far as can be told here.
    fn remaining_now(&self, terms: &Terms<'_>) -> u64 {
        let limit = terms.limit;
        if !self.is_known {
            return limit.burst;
        }
        match limit.algorithm.spread {
            Spread::Bucket => {
                let passed_ns = terms.now.monotonic_ns.saturating_sub(self.remaining_at_ns);
                let come = u128::from(passed_ns) * u128::from(limit.count)
                    / u128::from(limit.period_ns.max(1));
                let come = u64::try_from(come).unwrap_or(u64::MAX);
                self.remaining.saturating_add(come).min(limit.burst)
            }
            _ => self.remaining,
        }
    }

    fn available(&self, terms: &Terms<'_>) -> u64 {
        if !terms.view.is_up {
            return self.balance;
        }
        (self.balance + self.remaining_now(terms)).min(terms.limit.burst)
    }

    fn said(&self, is_allowed: bool, terms: &Terms<'_>) -> Answer {
        Answer { outcome: self.outcome(is_allowed, terms), by: Decided::Limit }
    }

    fn outcome(&self, is_allowed: bool, terms: &Terms<'_>) -> Outcome {
        let now = terms.now;
        let to_window_end_ns =
            self.window.end_ms.saturating_sub(now.unix_ms).saturating_mul(NS_PER_MS);
        let remaining = self.available(terms);
        let (retry_ns, reset_after_ns) = match terms.limit.algorithm.spread {
            Spread::Bucket => {
                let limit = terms.limit;
                let used = u128::from(limit.burst - remaining.min(limit.burst));
                let refill_ns = used * u128::from(limit.period_ns) / u128::from(limit.count);
                let refill_ns = u64::try_from(refill_ns).unwrap_or(NEVER - 1);
                (self.retry_at_ns.saturating_sub(now.monotonic_ns), refill_ns)
            }
            _ => (to_window_end_ns, to_window_end_ns),
        };
        let retry_after_ns = if is_allowed { 0 } else { retry_ns.max(NS_PER_MS) };
        Outcome { is_allowed, remaining, retry_after_ns, reset_after_ns, delay_ns: 0 }
    }
}
