//! The store's half of a shared bucket: what `RL.LEASE` does.
//!
//! Job: grant holders parts of one bucket. In: requests, the store's time. Out: grants. Invariant: free
//! tokens and those that holders may still spend are together no more than the burst.

use std::collections::BTreeMap;

use ringlet_limit::store::StoreReply;

/// What a holder asks for, with the bucket's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub burst: u64,
    pub count: u64,
    pub period_ms: u64,
    pub sequence: u64,
    pub held: u64,
    pub returned: u64,
    pub want: u64,
    pub ttl_ms: u64,
}

#[derive(Clone, Debug, Default)]
struct Record {
    outstanding: u64,
    sequence: u64,
    expires_ms: u64,
}

/// One key. `period_ms` units of debt are one token; `count` units drain in a millisecond.
#[derive(Clone, Debug)]
pub struct Bucket {
    debt: u64,
    /// Of the last request.
    count: u64,
    period_ms: u64,
    at_ms: u64,
    epoch_ms: u64,
    holders: BTreeMap<usize, Record>,
}

impl Bucket {
    pub fn new(now_ms: u64) -> Self {
        Self {
            debt: 0,
            count: 1,
            period_ms: 1,
            at_ms: now_ms,
            epoch_ms: now_ms,
            holders: BTreeMap::new(),
        }
    }

    /// Answers one request; says also when the key is as good as none.
    pub fn lease(&mut self, holder: usize, request: &Request, now_ms: u64) -> (StoreReply, u64) {
        let &Request { burst, count, period_ms, .. } = request;
        (self.count, self.period_ms) = (count, period_ms);
        let now_ms = now_ms.max(self.at_ms);
        // Until the last of the expired was over, its tokens could be spent.
        let expired = self.holders.values().map(|one| one.expires_ms);
        let last_ms = expired.filter(|&at_ms| at_ms <= now_ms).max().unwrap_or(0).max(self.at_ms);
        self.drain(last_ms - self.at_ms, count, period_ms);
        self.holders.retain(|_, one| one.expires_ms > now_ms);
        self.drain(now_ms - last_ms, count, period_ms);
        self.at_ms = now_ms;

        let is_new = !self.holders.contains_key(&holder);
        let own = self.holders.get(&holder).cloned().unwrap_or_default();
        let is_late = !is_new && own.sequence >= request.sequence;
        let left = own.outstanding.min(request.held);
        let back = request.returned.min(own.outstanding - left);
        if !is_late {
            self.debt = self.debt.saturating_sub(back * period_ms);
        }
        let free = (burst * period_ms).saturating_sub(self.debt) / period_ms;
        let granted = if is_late { 0 } else { request.want.min(free) };
        self.debt += granted * period_ms;
        if !is_late {
            let outstanding = left + granted;
            let expires_ms = now_ms + request.ttl_ms;
            let record = Record { outstanding, sequence: request.sequence, expires_ms };
            self.holders.insert(holder, record);
        }
        let reply = StoreReply::Leased {
            granted,
            remaining: free - granted,
            retry_ms: self.debt.saturating_sub((burst - 1) * period_ms).div_ceil(count),
            epoch_ms: self.epoch_ms,
            holders: self.holders.len() as u64,
        };
        let latest_ms = self.holders.values().map(|one| one.expires_ms).max().unwrap_or(now_ms);
        let worth = self.outstanding() * period_ms;
        let drained_ms =
            (now_ms + self.debt.div_ceil(count)).max(latest_ms + worth.div_ceil(count));
        (reply, drained_ms + 1)
    }

    fn drain(&mut self, time_ms: u64, count: u64, period_ms: u64) {
        self.debt = self.debt.saturating_sub(time_ms * count).max(self.outstanding() * period_ms);
    }

    /// Tokens that are not free, if nothing more comes.
    pub fn taken(&self, now_ms: u64) -> u64 {
        let drained = now_ms.saturating_sub(self.at_ms) * self.count;
        let least = self.outstanding() * self.period_ms;
        self.debt.saturating_sub(drained).max(least).div_ceil(self.period_ms)
    }

    fn outstanding(&self) -> u64 {
        self.holders.values().map(|one| one.outstanding).sum()
    }
}
