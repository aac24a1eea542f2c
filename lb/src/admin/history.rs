//! What has happened in the last minute, second by second.
//!
//! Job: turn counters into rates and latencies. In: a snapshot, once a second. Out: series for the
//! status page. Invariant: it remembers only what the present snapshot has, and only for a minute.

use std::collections::{HashMap, VecDeque};

use ringlet_runtime::admin::document::{Cell, Series};
use ringlet_runtime::admin::sampler::Rate;

use crate::counters::DurationCounts;
use crate::snapshot::Snapshot;
use crate::state::{ListenerRow, PoolRow};
use crate::totals::ServerTotals;

/// Seconds over which latencies are taken: a percentile of few requests says little.
const LATENCY_SECONDS: usize = 10;
/// The percentiles that are shown.
pub const PERCENTILES: [f64; 3] = [50.0, 90.0, 99.0];

/// All of it, by names.
#[derive(Default)]
pub struct History {
    listeners: HashMap<String, ListenerHistory>,
    pools: HashMap<String, PoolHistory>,
    servers: HashMap<(String, String), ServerHistory>,
}

/// Of a listener.
#[derive(Default)]
pub struct ListenerHistory {
    /// Connections accepted.
    pub accepted: Rate,
    /// Requests.
    pub requests: Rate,
    /// Bytes from clients.
    pub bytes_in: Rate,
    /// Bytes to clients.
    pub bytes_out: Rate,
}

/// Of a pool.
#[derive(Default)]
pub struct PoolHistory {
    /// Requests.
    pub requests: Rate,
    /// 5xx responses, our own ones too.
    pub errors: Rate,
    /// Second tries.
    pub retries: Rate,
    durations: VecDeque<DurationCounts>,
    /// Latencies in microseconds, for each of [`PERCENTILES`].
    pub percentiles: [Series; 3],
}

/// Of a server.
#[derive(Default)]
pub struct ServerHistory {
    /// Requests.
    pub requests: Rate,
    /// Failed connections, answers that are none and 5xx responses.
    pub errors: Rate,
    connects: Rate,
    reused: Rate,
}

impl History {
    /// Looks at all counters, `seconds` after the last time.
    pub fn sample(&mut self, snapshot: &Snapshot, seconds: f64) {
        let before = std::mem::take(self);
        let Self { mut listeners, mut pools, mut servers } = before;
        for listener in &snapshot.listeners {
            let state = &listener.state;
            let mut history = listeners.remove(&state.name).unwrap_or_default();
            let sum = |of: fn(&ListenerRow) -> u64| state.rows.sum(of);
            history.accepted.sample(sum(|row| row.accepted.get()), seconds);
            history.requests.sample(sum(|row| row.requests.get()), seconds);
            history.bytes_in.sample(sum(|row| row.bytes_in.get()), seconds);
            history.bytes_out.sample(sum(|row| row.bytes_out.get()), seconds);
            self.listeners.insert(state.name.clone(), history);
        }
        for pool in &snapshot.pools {
            let state = &pool.state;
            let mut history = pools.remove(&state.name).unwrap_or_default();
            let sum = |of: fn(&PoolRow) -> u64| state.rows.sum(of);
            history.requests.sample(sum(|row| row.requests.get()), seconds);
            history.errors.sample(sum(|row| row.responses[5].get()), seconds);
            history.retries.sample(sum(|row| row.retries.get()), seconds);
            history.take_durations(DurationCounts::of(state.rows.iter().map(|row| &row.durations)));
            self.pools.insert(state.name.clone(), history);
            for server in &pool.servers {
                let key = (server.pool.clone(), server.name.clone());
                let mut history = servers.remove(&key).unwrap_or_default();
                let totals = ServerTotals::of(server);
                history.requests.sample(totals.requests, seconds);
                history.errors.sample(totals.errors(), seconds);
                history.connects.sample(totals.connects, seconds);
                history.reused.sample(totals.reused, seconds);
                self.servers.insert(key, history);
            }
        }
    }

    /// Of one listener; none in its first second.
    #[must_use]
    pub fn listener(&self, name: &str) -> Option<&ListenerHistory> {
        self.listeners.get(name)
    }

    /// Of one pool.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&PoolHistory> {
        self.pools.get(name)
    }

    /// Of one server.
    #[must_use]
    pub fn server(&self, pool: &str, name: &str) -> Option<&ServerHistory> {
        self.servers.get(&(pool.to_owned(), name.to_owned()))
    }

    /// The share of a pool's requests in the last minute that found a connection.
    #[must_use]
    pub fn reuse_percent(&self, pool: &str) -> Cell {
        let of_pool = self.servers.iter().filter(|((name, _), _)| name == pool);
        let (mut reused, mut connects) = (0.0, 0.0);
        for (_, server) in of_pool {
            reused += server.reused.sum();
            connects += server.connects.sum();
        }
        share(reused, connects)
    }
}

impl PoolHistory {
    fn take_durations(&mut self, now: DurationCounts) {
        if let Some(first) = self.durations.front() {
            let window = now.since(first);
            for (series, percent) in self.percentiles.iter_mut().zip(PERCENTILES) {
                series.push(window.percentile_us(percent) as f64);
            }
        }
        if self.durations.len() == LATENCY_SECONDS {
            self.durations.pop_front();
        }
        self.durations.push_back(now);
    }
}

impl ServerHistory {
    /// The share of its requests in the last minute that found a connection.
    #[must_use]
    pub fn reuse_percent(&self) -> Cell {
        share(self.reused.sum(), self.connects.sum())
    }
}

fn share(reused: f64, connects: f64) -> Cell {
    match reused + connects {
        all if all > 0.0 => Cell::Number(100.0 * reused / all),
        _ => Cell::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::test_support::{serve, snapshot};

    #[test]
    fn counters_become_rates_and_latencies() {
        let snapshot = snapshot();
        let mut history = History::default();
        history.sample(&snapshot, 1.0);
        assert_eq!(history.pool("api").expect("it is known").requests.cell(), Cell::Nothing);
        serve(&snapshot, 30);
        history.sample(&snapshot, 2.0);
        let pool = history.pool("api").expect("it is known");
        assert_eq!(pool.requests.now(), Cell::Number(15.0));
        let Cell::Series { value, .. } = pool.percentiles[2].cell() else { panic!("a series") };
        assert!((1000.0..=1300.0).contains(&value), "{value}");
        let server = history.server("api", "one").expect("it is known");
        assert_eq!(server.requests.now(), Cell::Number(15.0));
        assert_eq!(server.reuse_percent(), Cell::Number(90.0));
        assert_eq!(history.reuse_percent("api"), Cell::Number(90.0));
        assert_eq!(history.server("api", "two").expect("known").reuse_percent(), Cell::Nothing);
        history.sample(&snapshot, 1.0);
        let pool = history.pool("api").expect("it is known");
        assert_eq!(pool.requests.cell(), Cell::Series { value: 0.0, series: vec![15.0, 0.0] });
    }
}
