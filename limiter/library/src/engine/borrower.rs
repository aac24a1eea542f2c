//! Tokens of hot keys that other cores own.
//!
//! Job: decide without a message while there are tokens, and tell the owner what became of them. In:
//! costs, loans, ticks. Out: answers, settlements. Invariant: nothing is spent that was not lent; a
//! settlement names each token once.

use ahash::AHashMap;

use super::message::Loan;
use crate::algorithm::Outcome;
use crate::lease::{Answer, Decided};
use crate::request::LimitRef;
use crate::time::{NS_PER_MS, Now};
use crate::window::Window;

/// Keys that a core may have borrowed from. Loans beyond go back at once.
const BORROWED_MAX: usize = 1024;
/// Unused for so many ticks, a loan goes back.
const IDLE_TICKS: u32 = 2;

#[derive(Debug)]
struct Borrowed {
    limit: LimitRef,
    loan: Loan,
    /// Spent and not yet settled.
    spent: u64,
    used_in_tick: u64,
    idle_ticks: u32,
}

/// What the owner is to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The key.
    pub hash: u64,
    /// Its limit.
    pub limit: LimitRef,
    /// Used.
    pub spent: u64,
    /// Not needed.
    pub returned: u64,
    /// Start of the loan's window.
    pub window_ms: u64,
    /// More that is needed.
    pub wanted: u64,
}

/// The time, for what is counted here and for what comes from the store.
#[derive(Copy, Clone, Debug)]
pub struct Clocks {
    /// By the process's own calendar.
    pub own: Now,
    /// By the store's.
    pub store: Now,
    /// By how much the latter may be wrong.
    pub error_ms: u64,
}

impl Clocks {
    /// The one that a loan goes by.
    #[must_use]
    pub fn of(&self, is_leased: bool) -> Now {
        if is_leased { self.store } else { self.own }
    }
}

/// All that a core has borrowed.
#[derive(Debug, Default)]
pub struct Loans {
    keys: AHashMap<u64, Borrowed>,
}

impl Loans {
    /// Takes `cost` from what was lent, or refuses as the owner would. `None`: ask the owner.
    pub fn take(&mut self, hash: u64, cost: u64, clocks: &Clocks) -> Option<Answer> {
        if self.keys.is_empty() {
            return None;
        }
        let borrowed = self.keys.get_mut(&hash)?;
        let loan = &mut borrowed.loan;
        if !is_current(loan, clocks) {
            return None;
        }
        let now = clocks.of(loan.is_leased);
        let reset_after_ns = loan.reset_at_ns.saturating_sub(now.monotonic_ns);
        let is_allowed = cost <= loan.tokens && now.monotonic_ns < loan.expires_ns;
        if is_allowed {
            loan.tokens -= cost;
            loan.remaining = loan.remaining.saturating_sub(cost);
            borrowed.spent += cost;
            borrowed.used_in_tick += cost;
            let remaining = loan.remaining;
            let outcome = Outcome { is_allowed, remaining, reset_after_ns, ..Outcome::default() };
            return Some(Answer { outcome, by: Decided::Limit });
        }
        if cost >= loan.refused_cost && now.monotonic_ns < loan.refused_until_ns {
            borrowed.idle_ticks = 0;
            let retry_after_ns = loan.refused_until_ns - now.monotonic_ns;
            let outcome =
                Outcome { is_allowed, remaining: 0, retry_after_ns, reset_after_ns, delay_ns: 0 };
            return Some(Answer { outcome, by: Decided::Limit });
        }
        None
    }

    /// Undoes a `take` of the time `then`. False if it cannot be: then the owner is to be told.
    pub fn give_back(&mut self, hash: u64, amount: u64, then: &Clocks, now: &Clocks) -> bool {
        let Some(borrowed) = self.keys.get_mut(&hash) else { return false };
        // Tokens of this window would be lost among those of a former one.
        let is_of_loan = is_current(&borrowed.loan, then) && is_current(&borrowed.loan, now);
        if borrowed.spent < amount || !is_of_loan {
            return false;
        }
        borrowed.spent -= amount;
        borrowed.loan.tokens += amount;
        true
    }

    /// Takes a loan up. What cannot be kept goes back at once.
    pub fn add(&mut self, hash: u64, limit: LimitRef, loan: Loan) -> Option<Settlement> {
        if let Some(borrowed) = self.keys.get_mut(&hash) {
            if borrowed.loan.window == loan.window {
                let tokens = borrowed.loan.tokens + loan.tokens;
                borrowed.loan = Loan { tokens, ..loan };
            } else {
                borrowed.loan = loan;
                borrowed.spent = 0;
            }
            return None;
        }
        if self.keys.len() >= BORROWED_MAX {
            let (returned, window_ms) = (loan.tokens, loan.window.start_ms);
            return Some(Settlement { hash, limit, spent: 0, returned, window_ms, wanted: 0 });
        }
        let fresh = Borrowed { limit, loan, spent: 0, used_in_tick: 0, idle_ticks: 0 };
        self.keys.insert(hash, fresh);
        None
    }

    /// What was spent since the last settlement, and what is not needed any more.
    pub fn tick(&mut self, clocks: &Clocks, mut tell: impl FnMut(Settlement)) {
        self.keys.retain(|&hash, borrowed| {
            let now = clocks.of(borrowed.loan.is_leased);
            let is_over = now.monotonic_ns >= borrowed.loan.expires_ns
                || now.unix_ms >= borrowed.loan.window.end_ms;
            let used = std::mem::take(&mut borrowed.used_in_tick);
            borrowed.idle_ticks = if used == 0 { borrowed.idle_ticks + 1 } else { 0 };
            let is_kept = !is_over && borrowed.idle_ticks < IDLE_TICKS;
            let tokens = borrowed.loan.tokens;
            let wanted = if is_kept && tokens < used { 2 * used - tokens } else { 0 };
            let returned = if is_kept { 0 } else { tokens };
            let spent = std::mem::take(&mut borrowed.spent);
            if spent + returned + wanted > 0 {
                let (limit, window_ms) = (borrowed.limit, borrowed.loan.window.start_ms);
                tell(Settlement { hash, limit, spent, returned, window_ms, wanted });
            }
            is_kept
        });
    }

    /// Whether nothing is borrowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Gives everything back.
    pub fn shut_down(&mut self, mut tell: impl FnMut(Settlement)) {
        for (hash, borrowed) in self.keys.drain() {
            let Borrowed { limit, loan, spent, .. } = borrowed;
            let (returned, window_ms) = (loan.tokens, loan.window.start_ms);
            tell(Settlement { hash, limit, spent, returned, window_ms, wanted: 0 });
        }
    }
}

/// Whether a loan's window is the present one.
fn is_current(loan: &Loan, clocks: &Clocks) -> bool {
    let error_ms = if loan.is_leased { clocks.error_ms } else { 0 };
    is_inside(loan.window, clocks.of(loan.is_leased).unix_ms, error_ms)
}

/// Whether an instant is in a window for sure, however wrong the clock is within its bounds.
#[must_use]
pub fn is_inside(window: Window, unix_ms: u64, clock_error_ms: u64) -> bool {
    window == Window::ALWAYS
        || (window.start_ms.saturating_add(clock_error_ms) <= unix_ms
            && unix_ms.saturating_add(clock_error_ms) < window.end_ms)
}

/// So long a refusal is repeated without asking the owner.
#[must_use]
pub fn refused_until_ns(outcome: &Outcome, now: Now, most_ms: u64) -> u64 {
    if outcome.is_allowed {
        return 0;
    }
    now.monotonic_ns + outcome.retry_after_ns.min(most_ms * NS_PER_MS)
}
