//! Calls to the store and what their replies mean.
//!
//! Job: ask, understand the reply, give back. In: amounts, replies. Out: calls, a changed balance.
//! Invariant: `granted` never exceeds what the store has counted for this node; nothing is given back
//! to a window that may be over.

use super::{Ask, Effects, Lease, Purpose, Terms};
use crate::algorithm::Spread;
use crate::model::Limit;
use crate::store::{StoreCommand, StoreReply};
use crate::time::{NS_PER_MS, NS_PER_S};
use crate::window::Window;

/// The largest number that the store counts with.
const NUMBER_MAX: u64 = (1 << 53) - 1;
/// A window's counter outlives it for so long, for those whose clocks are behind.
const GRACE_MS: u64 = 3000;

impl Lease {
    /// The key of a window's counter. All keys of one limit's key have one hash tag.
    fn counter_key(&self, window: Window, terms: &Terms<'_>) -> Vec<u8> {
        let mut key = self.tagged_key(terms);
        // A window of another length is another one, also if it begins at the same time.
        let length_ms = window.end_ms - window.start_ms;
        key.extend_from_slice(format!(":{}/{length_ms}", window.start_ms).as_bytes());
        key
    }

    fn tagged_key(&self, terms: &Terms<'_>) -> Vec<u8> {
        let prefix = terms.settings.prefix.as_bytes();
        let mut key = Vec::with_capacity(prefix.len() + self.text.len() + 20);
        key.extend_from_slice(prefix);
        key.extend_from_slice(b":{");
        key.extend_from_slice(&self.text);
        key.push(b'}');
        key
    }

    /// The key of a bucket. What it owes is counted in parts of the period: another one is another
    /// bucket.
    fn bucket_key(&self, count: u64, period_ms: u64, terms: &Terms<'_>) -> Vec<u8> {
        let mut key = self.tagged_key(terms);
        key.extend_from_slice(format!(":{count}/{period_ms}").as_bytes());
        key
    }

    /// Asks for `amount` tokens, and gives `returned` ones back if it is a bucket's.
    pub(super) fn send_ask(
        &mut self,
        amount: u64,
        returned: u64,
        terms: &Terms<'_>,
        effects: &mut Effects<'_>,
    ) {
        let command = match terms.limit.algorithm.spread {
            Spread::Bucket => {
                let (count, period_ms) = rate_in_ms(terms.limit);
                StoreCommand::Lease {
                    key: self.bucket_key(count, period_ms, terms),
                    burst: terms.limit.burst,
                    count,
                    period_ms,
                    // Rises with each call, and a key that comes anew goes on from there.
                    sequence: *effects.next_call,
                    held: self.held(),
                    returned,
                    want: amount,
                    ttl_ms: terms.settings.ttl_ms,
                }
            }
            _ => StoreCommand::Count {
                key: self.counter_key(self.window, terms),
                previous: self.previous_key(terms),
                amount,
                expire_at_ms: self.counter_end_ms(terms) + GRACE_MS,
            },
        };
        self.unreported = 0;
        self.send(command, amount, Purpose::Tokens, terms, effects);
    }

    /// Sends a call whose reply the lease waits for.
    fn send(
        &mut self,
        command: StoreCommand,
        amount: u64,
        purpose: Purpose,
        terms: &Terms<'_>,
        effects: &mut Effects<'_>,
    ) {
        let id = effects.call(command);
        effects.asks.insert(id, effects.hash);
        let (window, incarnation) = (self.window, terms.view.incarnation);
        let sent_ns = terms.now.monotonic_ns;
        self.ask = Some(Ask { id, amount, needed: amount, purpose, window, incarnation, sent_ns });
    }

    fn previous_key(&self, terms: &Terms<'_>) -> Option<Vec<u8>> {
        (terms.limit.algorithm.spread == Spread::SlidingWindow).then(|| {
            let length_ms = self.window.end_ms - self.window.start_ms;
            let start_ms = self.window.start_ms.saturating_sub(length_ms);
            self.counter_key(Window { start_ms, end_ms: self.window.start_ms }, terms)
        })
    }

    /// When nobody needs the counter any more: a sliding window's serves the next window too.
    fn counter_end_ms(&self, terms: &Terms<'_>) -> u64 {
        let Window { start_ms, end_ms } = self.window;
        match terms.limit.algorithm.spread {
            Spread::SlidingWindow => end_ms + (end_ms - start_ms),
            _ => end_ms,
        }
    }

    /// Whether this is the reply that the lease waits for.
    #[must_use]
    pub fn awaits(&self, id: u64) -> bool {
        self.ask.as_ref().is_some_and(|ask| ask.id == id)
    }

    /// The store has answered, or it is certain that it will not.
    pub fn on_reply(
        &mut self,
        id: u64,
        reply: StoreReply,
        terms: &Terms<'_>,
        effects: &mut Effects<'_>,
    ) {
        if !self.awaits(id) {
            return;
        }
        self.bring_up_to_date(terms);
        let Some(ask) = self.ask.take() else { return };
        match reply {
            StoreReply::Counted { total, previous } if ask.window == self.window => {
                if ask.purpose == Purpose::Tokens {
                    self.on_counted(&ask, total, previous, terms, effects);
                } else {
                    self.on_looked(&ask, total, previous > 0, terms, effects);
                }
            }
            StoreReply::Leased { granted, remaining, retry_ms, epoch_ms, holders } => {
                self.holders = holders.max(1);
                if epoch_ms != self.epoch_ms {
                    // The store's bucket is another one: it does not know what is held of the old.
                    self.void_bucket();
                    self.epoch_ms = epoch_ms;
                }
                self.remaining = remaining;
                self.retry_at_ns = terms.now.monotonic_ns + retry_ms.max(1) * NS_PER_MS;
                // By the clock here, from before the store began to count.
                let margin_ms = terms.settings.ttl_ms / 8;
                let life_ms = terms.settings.ttl_ms - margin_ms;
                self.expires_ns = ask.sent_ns + life_ms * NS_PER_MS;
                // Asked again so soon that the bucket cannot run over meanwhile.
                let half_ns = u128::from(terms.limit.burst) * u128::from(terms.limit.period_ns)
                    / (2 * u128::from(terms.limit.count));
                let half_ms = u64::try_from(half_ns).unwrap_or(u64::MAX) / NS_PER_MS;
                let probe_ms = half_ms.max(retry_ms).clamp(1, terms.settings.renew_ms);
                self.on_grant(granted.min(ask.amount), ask.needed, probe_ms, terms);
            }
            StoreReply::Failed => {
                self.answer_without_store(terms, effects);
                return;
            }
            // Tokens of a window that is over.
            StoreReply::Counted { .. } | StoreReply::Uncounted => {}
        }
        self.look_after_counts(terms, effects);
        self.serve(terms, effects);
    }

    /// What a store knows that came back. Once it knows all, nobody need look again.
    fn on_looked(
        &mut self,
        ask: &Ask,
        total: i64,
        is_marked: bool,
        terms: &Terms<'_>,
        effects: &mut Effects<'_>,
    ) {
        let total = u64::try_from(total).unwrap_or(0);
        let is_recounted = ask.purpose == Purpose::Recount;
        let lost = if is_recounted { 0 } else { self.lost_counts(total, is_marked) };
        self.counted = total;
        // The mark alone may have been lost on its way.
        if lost > 0 || (is_recounted && !is_marked) {
            self.count_again(lost, terms, effects);
        } else {
            self.incarnation = ask.incarnation;
        }
    }

    fn on_counted(
        &mut self,
        ask: &Ask,
        total: i64,
        previous: i64,
        terms: &Terms<'_>,
        effects: &mut Effects<'_>,
    ) {
        let total = u64::try_from(total).unwrap_or(0);
        let mut before = total.saturating_sub(ask.amount);
        if self.granted == 0 {
            self.incarnation = ask.incarnation;
        }
        let is_another = self.incarnation != terms.view.incarnation;
        let lost = self.granted.saturating_sub(before);
        if !is_another {
            if lost > 0 {
                self.count_again(lost, terms, effects);
            }
            self.counted = before + lost + ask.amount;
        }
        // Of another store it is found out after this whether it is this much.
        before += lost;
        let limit = self.limit_now(previous, terms);
        let granted = limit.saturating_sub(before).min(ask.amount);
        if granted < ask.amount {
            self.send_return(ask.amount - granted, terms, effects);
        }
        self.granted += granted;
        self.remaining = limit.saturating_sub(before + granted);
        self.on_grant(granted, ask.needed, terms.settings.renew_ms, terms);
    }

    /// What the window allows in all by now: a sliding one less than the limit while the former
    /// window still counts.
    fn limit_now(&self, previous: i64, terms: &Terms<'_>) -> u64 {
        let limit = terms.limit.count;
        if terms.limit.algorithm.spread != Spread::SlidingWindow {
            return limit;
        }
        let previous = u64::try_from(previous).unwrap_or(0).min(limit);
        let length_ms = (self.window.end_ms - self.window.start_ms).max(1);
        // The clock here may be ahead of the store's.
        let left_ms = self.window.end_ms.saturating_sub(terms.now.unix_ms);
        let left_ms = left_ms.saturating_add(terms.view.clock_error_ms).min(length_ms);
        let counts = (u128::from(previous) * u128::from(left_ms)).div_ceil(u128::from(length_ms));
        limit - u64::try_from(counts).unwrap_or(limit).min(limit)
    }

    fn on_grant(&mut self, granted: u64, needed: u64, probe_ms: u64, terms: &Terms<'_>) {
        let paid = granted.min(self.debt);
        self.debt -= paid;
        self.unreported += paid;
        self.balance += granted - paid;
        self.is_known = true;
        self.remaining_at_ns = terms.now.monotonic_ns;
        if granted < needed {
            self.exhausted_until_ns = terms.now.monotonic_ns + probe_ms * NS_PER_MS;
        }
    }

    /// Gives tokens back to the store.
    pub(super) fn return_tokens(
        &mut self,
        amount: u64,
        terms: &Terms<'_>,
        effects: &mut Effects<'_>,
    ) {
        if amount == 0 || terms.window.is_none() || !terms.view.is_up {
            return;
        }
        self.balance -= amount;
        match terms.limit.algorithm.spread {
            Spread::Bucket => self.send_ask(0, amount, terms, effects),
            _ => {
                let counted = amount.min(self.granted);
                self.granted -= counted;
                self.remaining = (self.remaining + counted).min(terms.limit.count);
                self.send_return(counted, terms, effects);
            }
        }
    }

    fn send_return(&self, amount: u64, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        if amount > 0 {
            effects.call(StoreCommand::Uncount {
                key: self.counter_key(self.window, terms),
                amount,
                before_ms: self.counter_end_ms(terms),
                expire_at_ms: self.counter_end_ms(terms) + GRACE_MS,
            });
        }
    }

    /// Tells the store from time to time that a bucket's tokens are still held.
    pub(super) fn renew(&mut self, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        let half_ns = terms.settings.ttl_ms * NS_PER_MS / 2;
        if self.expires_ns.saturating_sub(terms.now.monotonic_ns) < half_ns {
            self.send_ask(0, 0, terms, effects);
        }
    }

    /// Counts of this node that a store has lost that came back and knows of `before` tokens.
    ///
    /// After a restart or a failover it may have come back with a part of the counts. It has lost some
    /// if it knows of less than when it was last heard of; or if another node says so, whose counts are
    /// among those it knows of by now. Then all of this node's are counted again: too much is an error to
    /// the safe side, until the window ends.
    fn lost_counts(&self, before: u64, is_told: bool) -> u64 {
        if is_told || before < self.counted {
            return self.granted;
        }
        self.granted.saturating_sub(before)
    }

    /// Counts what the store has lost. First it is marked: whoever sees the counts sees the mark too.
    fn count_again(&mut self, lost: u64, terms: &Terms<'_>, effects: &mut Effects<'_>) {
        let expire_at_ms = self.counter_end_ms(terms) + GRACE_MS;
        let key = mark_key(&self.counter_key(self.window, terms));
        effects.call(StoreCommand::Count { key, previous: None, amount: 1, expire_at_ms });
        let command = self.marked_count(lost, terms);
        self.send(command, lost, Purpose::Recount, terms, effects);
    }

    /// Counts, and looks whether the counter is marked as one that has lost something.
    fn marked_count(&self, amount: u64, terms: &Terms<'_>) -> StoreCommand {
        let key = self.counter_key(self.window, terms);
        let expire_at_ms = self.counter_end_ms(terms) + GRACE_MS;
        StoreCommand::Count { previous: Some(mark_key(&key)), key, amount, expire_at_ms }
    }

    /// Once the store is another one, or has begun anew: has it still what it has counted for this node?
    /// Asks, unless it is being asked; true as long as it is not certain.
    pub fn look_after_counts(&mut self, terms: &Terms<'_>, effects: &mut Effects<'_>) -> bool {
        self.bring_up_to_date(terms);
        let is_window = terms.limit.algorithm.spread != Spread::Bucket;
        let is_another = self.incarnation != terms.view.incarnation;
        if !(is_window && self.has_counts() && is_another) {
            return false;
        }
        if self.ask.is_none() && terms.window.is_some() && terms.view.is_up {
            self.send(self.marked_count(0, terms), 0, Purpose::Look, terms, effects);
        }
        true
    }
}

/// The key that tells of a counter that it was found to have lost something.
fn mark_key(counter: &[u8]) -> Vec<u8> {
    [counter, b":lost"].concat()
}

/// A rate in tokens and whole milliseconds, in the smallest numbers: the same if its period has no part of
/// a millisecond, else as near below it as a period of a second and more can tell.
fn rate_in_ms(limit: &Limit) -> (u64, u64) {
    let times = match limit.period_ns.is_multiple_of(NS_PER_MS) {
        true => 1,
        false => NS_PER_S.div_ceil(limit.period_ns),
    };
    let period_ns = u128::from(limit.period_ns) * u128::from(times);
    let period_ms = u64::try_from(period_ns.div_ceil(u128::from(NS_PER_MS))).unwrap_or(u64::MAX);
    let count = limit.count.saturating_mul(times);
    let divisor = greatest_common_divisor(count, period_ms);
    (count / divisor, period_ms / divisor)
}

fn greatest_common_divisor(mut larger: u64, mut smaller: u64) -> u64 {
    while smaller > 0 {
        (larger, smaller) = (smaller, larger % smaller);
    }
    larger.max(1)
}

/// Whether a bucket's numbers are such that the store can count in them: it counts in doubles.
#[must_use]
pub fn can_be_leased(limit: &Limit) -> bool {
    let (count, period_ms) = rate_in_ms(limit);
    let is_bucket = limit.algorithm.spread == Spread::Bucket;
    !is_bucket || (count <= NUMBER_MAX && limit.burst.saturating_mul(period_ms) <= NUMBER_MAX)
}
