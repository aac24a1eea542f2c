//! A store in memory, with what Redis does for the limiter.
//!
//! Job: carry out calls, lose data when told to. In: calls in the order of their execution, the time.
//! Out: replies. Invariant: a key that is over is gone; nothing else goes unless it is lost.

use std::collections::BTreeMap;

use ringlet_limit::store::{StoreCommand, StoreReply};

use crate::bucket::{Bucket, Request};

/// What a key holds.
#[derive(Clone, Debug)]
pub enum Value {
    Counter(i64),
    Bucket(Bucket),
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub value: Value,
    /// When it is over; none: never, which no key of the limiter should be.
    pub expire_at_ms: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Store {
    entries: BTreeMap<Vec<u8>, Entry>,
}

impl Store {
    pub fn entries(&self) -> &BTreeMap<Vec<u8>, Entry> {
        &self.entries
    }

    pub fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub fn counter(&self, key: &[u8]) -> i64 {
        match self.entries.get(key).map(|entry| &entry.value) {
            Some(Value::Counter(count)) => *count,
            _ => 0,
        }
    }

    /// Tokens that a key says are taken.
    pub fn taken(&self, key: &[u8], now_ms: u64) -> u64 {
        match self.entries.get(key).map(|entry| &entry.value) {
            Some(Value::Counter(count)) => u64::try_from(*count).unwrap_or(0),
            Some(Value::Bucket(bucket)) => bucket.taken(now_ms),
            None => 0,
        }
    }

    pub fn expire(&mut self, now_ms: u64) {
        self.entries.retain(|_, entry| entry.expire_at_ms.is_none_or(|at_ms| at_ms > now_ms));
    }

    fn add(&mut self, key: &[u8], amount: i64) -> i64 {
        let fresh = Entry { value: Value::Counter(0), expire_at_ms: None };
        let entry = self.entries.entry(key.to_vec()).or_insert(fresh);
        let Value::Counter(count) = &mut entry.value else { panic!("a bucket is counted") };
        *count += amount;
        *count
    }

    /// Carries one call out.
    pub fn execute(&mut self, holder: usize, command: &StoreCommand, now_ms: u64) -> StoreReply {
        self.expire(now_ms);
        match command {
            StoreCommand::Count { key, previous, amount, expire_at_ms } => {
                let total = self.add(key, *amount as i64);
                if let Some(entry) = self.entries.get_mut(key) {
                    entry.expire_at_ms.get_or_insert(*expire_at_ms);
                }
                self.expire(now_ms);
                let previous = previous.as_ref().map_or(0, |key| self.counter(key));
                StoreReply::Counted { total, previous }
            }
            StoreCommand::Uncount { key, amount, expire_at_ms, .. } => {
                self.add(key, -(*amount as i64));
                if let Some(entry) = self.entries.get_mut(key) {
                    entry.expire_at_ms.get_or_insert(*expire_at_ms);
                }
                self.expire(now_ms);
                StoreReply::Uncounted
            }
            &StoreCommand::Lease {
                ref key,
                burst,
                count,
                period_ms,
                sequence,
                held,
                returned,
                want,
                ttl_ms,
            } => {
                let request =
                    Request { burst, count, period_ms, sequence, held, returned, want, ttl_ms };
                let fresh = Entry { value: Value::Bucket(Bucket::new(now_ms)), expire_at_ms: None };
                let entry = self.entries.entry(key.clone()).or_insert(fresh);
                let Value::Bucket(bucket) = &mut entry.value else { panic!("a count is leased") };
                let (reply, expire_at_ms) = bucket.lease(holder, &request, now_ms);
                entry.expire_at_ms = Some(expire_at_ms);
                reply
            }
        }
    }
}
