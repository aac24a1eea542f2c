//! Which servers are taken out because of what requests met there: Envoy's outlier detection.
//!
//! Job: eject servers that fail many times in a row, or clearly more often than the others, and
//! bring them back. In: cumulative counters of each server, and the time. Out: ejections and
//! returns. Invariant: at most `max_percent` of a pool is ejected, but one always may be; the last
//! server that can serve never is.
//!
//! One core owns a pool's ejection ([`super::owner::owner`] of the pool's name), so that the share
//! of ejected servers is counted once. The owner calls [`Ejector::poll`] when it is due, and at
//! once when a core has seen that failures in a row have reached a multiple of the limit.

use std::fmt;

use crate::model::Ejection;

/// Doublings of the time of an ejection after which only the longest time counts.
const DOUBLINGS_MAX: u32 = 32;

/// What is known of a server. Counters are sums over all cores and only grow.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Requests that ended well.
    pub successes: u64,
    /// Requests that count as failures.
    pub failures: u64,
    /// Failures since the last success, set to 0 when the server returns.
    pub consecutive_failures: u32,
    /// Leaving ejection aside, it may get new requests: it is ready, has a weight, and is not down.
    pub can_serve: bool,
    /// When the last check began that it passed; `i64::MIN` if there was none.
    pub check_passed_ms: i64,
    /// When it last came back: for one that is ejected, when its check found it up after down.
    pub recovered_ms: i64,
}

/// A server goes or comes back. The place is its index.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It gets no requests. Its check should be hurried: what it finds says more than requests do.
    Eject {
        /// Which.
        server: usize,
        /// Until then, unless a check brings it back.
        until_ms: i64,
        /// Why.
        reason: Reason,
    },
    /// It gets requests again.
    Return {
        /// Which.
        server: usize,
        /// A check brought it back, and not the time.
        by_check: bool,
    },
}

/// Why a server is ejected.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Reason {
    /// So many failures in a row.
    Consecutive(u32),
    /// Its success rate is low beside that of the others.
    SuccessRate {
        /// Percent.
        rate: f64,
        /// What it would have needed.
        needed: f64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consecutive(count) => write!(formatter, "{count} failures in a row"),
            Self::SuccessRate { rate, needed } => {
                write!(formatter, "success rate {rate:.1} %, below {needed:.1} %")
            }
        }
    }
}

/// The ejection of one pool, kept by the core that owns it.
#[derive(Clone, Debug)]
pub struct Ejector {
    ejection: Ejection,
    hosts: Vec<Host>,
    /// When success rates are looked at next.
    interval_ends_ms: i64,
}

#[derive(Copy, Clone, Debug, Default)]
struct Host {
    ejected: Option<Ejected>,
    /// Ejections in a row, of which good service forgives.
    in_a_row: u32,
    /// When the last ejection ended, and how long it had been meant to last.
    returned_ms: i64,
    length_ms: i64,
    /// Successes and failures at the start of the interval; `None` before the first.
    counted: Option<(u64, u64)>,
}

#[derive(Copy, Clone, Debug)]
struct Ejected {
    at_ms: i64,
    until_ms: i64,
}

impl Host {
    fn may_return(&self, facts: &Facts, ejection: &Ejection, now_ms: i64) -> Option<bool> {
        let ejected = self.ejected?;
        if now_ms >= ejected.until_ms {
            return Some(false);
        }
        // The check has seen it fail as well, so it is believed when it sees no more of that.
        if facts.recovered_ms > ejected.at_ms {
            return Some(true);
        }
        // Another one is believed once: ejected again after that, the server passes checks that do not
        // see what requests meet. And not at once, or an ejection would last as long as a probe.
        let credible_ms = ejected.at_ms.saturating_add(i64::from(ejection.interval_ms));
        (self.in_a_row == 1 && facts.check_passed_ms >= credible_ms).then_some(true)
    }

    /// Ends the interval: what it brought in successes and failures.
    fn count(&mut self, facts: &Facts) -> Option<(u64, u64)> {
        let (successes, failures) = self.counted.replace((facts.successes, facts.failures))?;
        // Counters that have fallen belong to another server; they count from the next interval on.
        Some((facts.successes.checked_sub(successes)?, facts.failures.checked_sub(failures)?))
    }
}

impl Ejector {
    /// A pool of which nobody is ejected.
    #[must_use]
    pub fn new(ejection: Ejection, servers: usize, now_ms: i64) -> Self {
        let interval_ends_ms = now_ms.saturating_add(i64::from(ejection.interval_ms));
        Self { ejection, hosts: vec![Host::default(); servers], interval_ends_ms }
    }

    /// Goes on after a reload: for each server of the new configuration its place in the old one.
    /// Ejections last as long as they were meant to.
    pub fn reconfigure(
        &mut self,
        ejection: Ejection,
        former_places: &[Option<usize>],
        now_ms: i64,
    ) {
        let former = |place: &Option<usize>| place.and_then(|place| self.hosts.get(place));
        self.hosts =
            former_places.iter().map(|place| former(place).copied().unwrap_or_default()).collect();
        let longest_ms = now_ms.saturating_add(i64::from(ejection.interval_ms));
        self.interval_ends_ms = self.interval_ends_ms.min(longest_ms);
        self.ejection = ejection;
    }

    /// When to poll at the latest.
    #[must_use]
    pub fn next_poll_ms(&self) -> i64 {
        let ejected = self.hosts.iter().filter_map(|host| host.ejected);
        ejected.map(|ejected| ejected.until_ms).fold(self.interval_ends_ms, i64::min)
    }

    /// Whether a server is ejected.
    #[must_use]
    pub fn is_ejected(&self, server: usize) -> bool {
        self.hosts.get(server).is_some_and(|host| host.ejected.is_some())
    }

    /// Looks at all servers, given in their order, and adds what changes. The caller applies the
    /// changes before the next poll.
    pub fn poll(&mut self, now_ms: i64, facts: &[Facts], changes: &mut Vec<Change>) {
        debug_assert_eq!(facts.len(), self.hosts.len(), "one entry for each server");
        for (server, (host, facts)) in self.hosts.iter_mut().zip(facts).enumerate() {
            if let Some(by_check) = host.may_return(facts, &self.ejection, now_ms) {
                host.ejected = None;
                host.returned_ms = now_ms;
                changes.push(Change::Return { server, by_check });
            }
        }
        let mut suspects = self.failing_in_a_row(now_ms, facts);
        if now_ms >= self.interval_ends_ms {
            suspects.extend(self.failing_more_than_others(facts));
            self.interval_ends_ms = now_ms.saturating_add(i64::from(self.ejection.interval_ms));
        }
        for (server, reason) in suspects {
            if self.may_eject(server, facts) {
                let until_ms = self.eject(server, now_ms);
                changes.push(Change::Eject { server, until_ms, reason });
            }
        }
    }

    /// The worst first, as not all may be ejected.
    fn failing_in_a_row(&self, now_ms: i64, facts: &[Facts]) -> Vec<(usize, Reason)> {
        let limit = self.ejection.consecutive_failures;
        let mut failing: Vec<(usize, u32)> = facts
            .iter()
            .enumerate()
            .map(|(server, facts)| (server, facts.consecutive_failures))
            // The failures of a server that returns just now are those that it was ejected for.
            .filter(|&(server, count)| {
                limit > 0 && count >= limit && !self.has_just_returned(server, now_ms)
            })
            .collect();
        failing.sort_by_key(|&(server, count)| (std::cmp::Reverse(count), server));
        failing.into_iter().map(|(server, count)| (server, Reason::Consecutive(count))).collect()
    }

    fn has_just_returned(&self, server: usize, now_ms: i64) -> bool {
        let host = self.hosts.get(server);
        host.is_some_and(|host| host.in_a_row > 0 && host.returned_ms == now_ms)
    }

    /// Those whose success rate lies so many standard deviations below the mean; the worst first.
    fn failing_more_than_others(&mut self, facts: &[Facts]) -> Vec<(usize, Reason)> {
        let enough = u64::from(self.ejection.success_requests_min);
        let mut rates: Vec<(usize, f64)> = Vec::new();
        for (server, (host, facts)) in self.hosts.iter_mut().zip(facts).enumerate() {
            let Some((successes, failures)) = host.count(facts) else { continue };
            let requests = successes.saturating_add(failures);
            if enough > 0 && requests >= enough && host.ejected.is_none() {
                rates.push((server, 100.0 * successes as f64 / requests as f64));
            }
        }
        if rates.is_empty() || rates.len() < self.ejection.success_hosts_min as usize {
            return Vec::new();
        }
        let number = rates.len() as f64;
        let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / number;
        let variance = rates.iter().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>() / number;
        let deviations = f64::from(self.ejection.success_deviation_thousandths) / 1000.0;
        let needed = mean - deviations * variance.sqrt();
        rates.retain(|&(_, rate)| rate < needed);
        rates.sort_by(|one, other| one.1.total_cmp(&other.1));
        rates
            .into_iter()
            .map(|(server, rate)| (server, Reason::SuccessRate { rate, needed }))
            .collect()
    }

    fn may_eject(&self, server: usize, facts: &[Facts]) -> bool {
        let serves = |server: usize| {
            self.hosts.get(server).is_some_and(|host| host.ejected.is_none())
                && facts.get(server).is_some_and(|facts| facts.can_serve)
        };
        let is_another_left = (0..self.hosts.len()).any(|other| other != server && serves(other));
        let ejected = self.hosts.iter().filter(|host| host.ejected.is_some()).count();
        let allowed = self.hosts.len() * usize::from(self.ejection.max_percent) / 100;
        serves(server) && is_another_left && ejected < allowed.max(1)
    }

    /// Returns when it ends.
    fn eject(&mut self, server: usize, now_ms: i64) -> i64 {
        let host = &mut self.hosts[server];
        // Trust comes back as slowly as it went: one ejection is forgiven for each time that the
        // server has served as long as its last ejection.
        let served_ms = now_ms.saturating_sub(host.returned_ms).max(0);
        let forgiven = u32::try_from(served_ms / host.length_ms.max(1)).unwrap_or(u32::MAX);
        host.in_a_row = host.in_a_row.saturating_sub(forgiven).saturating_add(1);
        let doublings = (host.in_a_row - 1).min(DOUBLINGS_MAX);
        let longest_ms = i64::from(self.ejection.max_ms);
        host.length_ms = (i64::from(self.ejection.base_ms) << doublings).min(longest_ms);
        let until_ms = now_ms.saturating_add(host.length_ms);
        host.ejected = Some(Ejected { at_ms: now_ms, until_ms });
        until_ms
    }
}

#[cfg(test)]
#[path = "ejection_tests.rs"]
mod tests;
