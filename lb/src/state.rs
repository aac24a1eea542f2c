//! What all cores know of servers, pools and listeners, and what outlives a reload.
//!
//! Job: health, administration and counters, shared by reference. In: single words, each with one kind
//! of writer. Out: what cores, the admin page and checks read.
//! Invariant: a request touches only its core's own rows, except where a server has a limit for all
//! cores together; whoever changes what makes a server usable also counts up [`Changes`].

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ringlet_runtime::ring::SocketAddress;

use crate::counters::{Counter, Durations, Level, Rows};
use crate::model::AdminState;
use crate::totals::ServerTotals;

mod watch;

pub use self::watch::Watch;

/// What the active check says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Checked {
    /// No check, or no result yet.
    Unknown = 0,
    /// It passes.
    Up = 1,
    /// It fails.
    Down = 2,
}

/// A number that grows whenever a server becomes more or less usable.
#[derive(Debug, Default)]
pub struct Changes(AtomicU64);

impl Changes {
    /// The present number.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Something has changed.
    pub fn note(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// One server of one pool.
#[derive(Debug)]
pub struct ServerState {
    /// A small number that no other living server has; cores keep their part in a `Vec` by it.
    pub slot: usize,
    /// Its pool's name.
    pub pool: String,
    /// Its name.
    pub name: String,
    /// Its address as configured.
    pub address: String,
    resolved: Mutex<Arc<[SocketAddress]>>,
    resolved_version: AtomicU32,
    checked: AtomicU8,
    is_ejected: AtomicBool,
    admin: AtomicU8,
    weight: AtomicU32,
    recovered_at_ms: AtomicI64,
    /// When it last became up or down, on the monotonic clock.
    pub changed_at_ms: AtomicI64,
    /// Why it is down or ejected, for people.
    reason: Mutex<String>,
    /// When the last check began that it passed; `i64::MIN` if there was none.
    pub check_passed_ms: AtomicI64,
    /// Who checks it.
    pub check_watch: Watch,
    /// Requests in flight on all cores, kept only for servers with a limit.
    taken: AtomicU32,
    /// Failures since the last success, over all cores.
    consecutive_failures: AtomicU32,
    /// How often its checks have found it down, and how often it was ejected.
    downs: AtomicU64,
    ejections: AtomicU64,
    /// What each core counts.
    pub rows: Rows<ServerRow>,
}

/// What one core counts of a server.
#[derive(Debug, Default)]
pub struct ServerRow {
    /// Requests (TCP: connections) in flight.
    pub in_flight: Level,
    /// Connections that wait for a request.
    pub idle: Level,
    /// Connections, also idle ones and those that are being made.
    pub open: Level,
    /// Requests (TCP: connections) given to it.
    pub requests: Counter,
    /// Connections begun.
    pub connects: Counter,
    /// Requests on a connection that had served before.
    pub reused: Counter,
    /// Idle connections taken over from another core.
    pub borrowed: Counter,
    /// Bytes sent to it.
    pub bytes_out: Counter,
    /// Bytes received from it.
    pub bytes_in: Counter,
    /// Responses by the first digit of their status; others at 0.
    pub responses: [Counter; 6],
    /// Connections that could not be made.
    pub connect_failures: Counter,
    /// Requests that ended in a reset, a timeout or a response that is none.
    pub response_failures: Counter,
    /// Second tries that came from this server.
    pub retries: Counter,
    /// Requests that ended well, and those that count as failures for ejection.
    pub successes: Counter,
    /// See `successes`.
    pub failures: Counter,
    /// Clients that went away before the end.
    pub client_aborts: Counter,
    /// The latency that this core sees, as the words of a `PeakEwma`.
    pub latency: [AtomicU64; 2],
}

impl ServerState {
    /// A server that has not been checked yet.
    #[must_use]
    pub fn new(slot: usize, pool: &str, server: &crate::model::Server, cores: usize) -> Self {
        Self {
            slot,
            pool: pool.to_owned(),
            name: server.name.clone(),
            address: server.address.clone(),
            resolved: Mutex::new(Arc::new([])),
            resolved_version: AtomicU32::new(0),
            checked: AtomicU8::new(Checked::Unknown as u8),
            is_ejected: AtomicBool::new(false),
            admin: AtomicU8::new(admin_code(server.state)),
            weight: AtomicU32::new(u32::from(server.weight)),
            recovered_at_ms: AtomicI64::new(i64::MIN),
            changed_at_ms: AtomicI64::new(i64::MIN),
            reason: Mutex::new(String::new()),
            check_passed_ms: AtomicI64::new(i64::MIN),
            check_watch: Watch::default(),
            taken: AtomicU32::new(0),
            consecutive_failures: AtomicU32::new(0),
            downs: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            rows: Rows::new(cores),
        }
    }

    /// What the active check says.
    pub fn checked(&self) -> Checked {
        match self.checked.load(Ordering::Relaxed) {
            1 => Checked::Up,
            2 => Checked::Down,
            _ => Checked::Unknown,
        }
    }

    /// By the owner of its check.
    pub fn set_checked(&self, checked: Checked, now_ms: i64, reason: &str) {
        let before = self.checked.swap(checked as u8, Ordering::Relaxed);
        if before == Checked::Down as u8 && checked == Checked::Up {
            self.recovered_at_ms.store(now_ms, Ordering::Relaxed);
            // They were those of the server that was down.
            self.consecutive_failures.store(0, Ordering::Relaxed);
        }
        if before != checked as u8 {
            self.changed_at_ms.store(now_ms, Ordering::Relaxed);
            self.downs.fetch_add(u64::from(checked == Checked::Down), Ordering::Relaxed);
        }
        self.set_reason(reason);
    }

    /// Whether what requests met has ejected it.
    pub fn is_ejected(&self) -> bool {
        self.is_ejected.load(Ordering::Relaxed)
    }

    /// By the owner of its pool's ejection.
    pub fn set_ejected(&self, is_ejected: bool, now_ms: i64, reason: &str) {
        let before = self.is_ejected.swap(is_ejected, Ordering::Relaxed);
        if before && !is_ejected {
            self.recovered_at_ms.store(now_ms, Ordering::Relaxed);
            self.consecutive_failures.store(0, Ordering::Relaxed);
        }
        if before != is_ejected {
            self.changed_at_ms.store(now_ms, Ordering::Relaxed);
            self.ejections.fetch_add(u64::from(is_ejected), Ordering::Relaxed);
        }
        self.set_reason(reason);
    }

    /// How often its checks have found it down.
    pub fn downs(&self) -> u64 {
        self.downs.load(Ordering::Relaxed)
    }

    /// How often it was ejected.
    pub fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// Why it is down or ejected.
    pub fn reason(&self) -> String {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A server that comes back in one way may still be away in another.
    fn set_reason(&self, reason: &str) {
        if reason.is_empty() && (self.is_ejected() || self.checked() == Checked::Down) {
            return;
        }
        let mut place = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        place.clear();
        place.push_str(reason);
    }

    /// What the administrator wants of it.
    pub fn admin(&self) -> AdminState {
        match self.admin.load(Ordering::Relaxed) {
            1 => AdminState::Drain,
            2 => AdminState::Maintenance,
            _ => AdminState::Ready,
        }
    }

    /// By the control thread.
    pub fn set_admin(&self, state: AdminState) {
        self.admin.store(admin_code(state), Ordering::Relaxed);
    }

    /// Its weight now: as configured or as an administrator has set it.
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// By the control thread.
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    /// When it last came back, for slow start; `i64::MIN` if it never was away.
    pub fn recovered_at_ms(&self) -> i64 {
        self.recovered_at_ms.load(Ordering::Relaxed)
    }

    /// Counts up with every new answer of the resolver.
    pub fn resolved_version(&self) -> u32 {
        self.resolved_version.load(Ordering::Acquire)
    }

    /// Where it is; empty until its name has been resolved once.
    pub fn resolved(&self) -> Arc<[SocketAddress]> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// By the resolver. True if that is news.
    pub fn set_resolved(&self, addresses: Vec<SocketAddress>) -> bool {
        let mut place = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if place[..] == addresses[..] {
            return false;
        }
        *place = addresses.into();
        self.resolved_version.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// Takes one of `limit` places; false when all are taken.
    pub fn take_place(&self, limit: u32) -> bool {
        let free = |taken| (taken < limit).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Relaxed, free).is_ok()
    }

    /// Gives a place back.
    pub fn give_place(&self) {
        let before = self.taken.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(before > 0, "a place is given back twice");
    }

    /// Places taken.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// A request has gone well. Writes only after a failure.
    #[inline]
    pub fn note_success(&self) {
        if self.consecutive_failures.load(Ordering::Relaxed) != 0 {
            self.consecutive_failures.store(0, Ordering::Relaxed);
        }
    }

    /// A request has failed; returns how many in a row.
    pub fn note_failure(&self) -> u32 {
        self.consecutive_failures.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Failures since the last success.
    pub fn consecutive_failures(&self) -> u32 {
        self.consecutive_failures.load(Ordering::Relaxed)
    }
}

fn admin_code(state: AdminState) -> u8 {
    match state {
        AdminState::Ready => 0,
        AdminState::Drain => 1,
        AdminState::Maintenance => 2,
    }
}

/// One pool.
#[derive(Debug)]
pub struct PoolState {
    /// Its name.
    pub name: String,
    /// Health is ignored, because too few servers are usable.
    pub is_panicking: AtomicBool,
    /// Requests that wait, on all cores.
    pub queued: AtomicU32,
    /// Requests in flight on all cores, kept only for pools with a limit.
    pub taken: AtomicU32,
    /// Who decides about its ejections.
    pub ejection_watch: Watch,
    /// What servers have counted that were dropped since: sums over a pool must not fall.
    former: Mutex<ServerTotals>,
    /// What each core counts.
    pub rows: Rows<PoolRow>,
}

/// What one core counts of a pool.
#[derive(Debug, Default)]
pub struct PoolRow {
    /// Requests (TCP: connections).
    pub requests: Counter,
    /// Those in flight, also waiting ones.
    pub in_flight: Level,
    /// Second tries in flight.
    pub retrying: Level,
    /// Second tries, and those that the budget forbade.
    pub retries: Counter,
    /// See `retries`.
    pub retries_refused: Counter,
    /// Requests that had to wait.
    pub queued: Counter,
    /// Those that waited in vain.
    pub queue_timeouts: Counter,
    /// Those that found the queue full.
    pub queue_overflows: Counter,
    /// Those for which no server was usable.
    pub no_server: Counter,
    /// Responses by the first digit of their status, our own ones too; others at 0.
    pub responses: [Counter; 6],
    /// From the end of the request's head to the end of the response (TCP: length of connections).
    pub durations: Durations,
}

impl PoolState {
    /// A pool without requests.
    #[must_use]
    pub fn new(name: &str, cores: usize) -> Self {
        Self {
            name: name.to_owned(),
            is_panicking: AtomicBool::new(false),
            queued: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            ejection_watch: Watch::default(),
            former: Mutex::default(),
            rows: Rows::new(cores),
        }
    }

    /// What dropped servers have counted.
    pub fn former(&self) -> ServerTotals {
        self.former.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A server is dropped. What it counts from now on, with the requests that are still in flight, is
    /// not in the pool's sums.
    pub fn keep_former(&self, server: &ServerState) {
        let totals = ServerTotals::of(server);
        self.former.lock().unwrap_or_else(PoisonError::into_inner).add(&totals);
    }
}

/// One listener.
#[derive(Debug)]
pub struct ListenerState {
    /// Its name.
    pub name: String,
    /// What each core counts.
    pub rows: Rows<ListenerRow>,
}

/// What one core counts of a listener.
#[derive(Debug, Default)]
pub struct ListenerRow {
    /// Connections that are open.
    pub open: Level,
    /// Connections accepted.
    pub accepted: Counter,
    /// Requests.
    pub requests: Counter,
    /// Bytes received from clients.
    pub bytes_in: Counter,
    /// Bytes sent to clients.
    pub bytes_out: Counter,
    /// Responses by the first digit of their status; others at 0.
    pub responses: [Counter; 6],
    /// Requests that were refused as malformed or too large.
    pub bad_requests: Counter,
    /// Requests or PROXY headers that did not arrive in time.
    pub request_timeouts: Counter,
    /// Requests (TCP: connections) that a rate limit or an access list refused.
    pub denied: Counter,
    /// Access log lines that found the log's queue full.
    pub log_lost: Counter,
}

impl ListenerState {
    /// A listener without connections.
    #[must_use]
    pub fn new(name: &str, cores: usize) -> Self {
        Self { name: name.to_owned(), rows: Rows::new(cores) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ServerState {
        let server = crate::model::Server {
            name: "one".into(),
            address: "127.0.0.1:1".into(),
            weight: 3,
            priority: 0,
            requests_max: 2,
            checked: true,
            cookie: "one".into(),
            state: AdminState::Ready,
        };
        ServerState::new(0, "pool", &server, 2)
    }

    #[test]
    fn places_are_limited_and_come_back() {
        let server = server();
        assert!(server.take_place(2) && server.take_place(2));
        assert!(!server.take_place(2));
        server.give_place();
        assert!(server.take_place(2));
        assert_eq!(server.taken(), 2);
    }

    #[test]
    fn recovery_is_noted_only_after_a_failure() {
        let server = server();
        server.set_checked(Checked::Up, 5, "");
        assert_eq!(server.recovered_at_ms(), i64::MIN, "the first check is no recovery");
        server.set_checked(Checked::Down, 6, "refused");
        assert_eq!((server.checked(), server.reason().as_str()), (Checked::Down, "refused"));
        server.note_failure();
        server.set_checked(Checked::Up, 7, "");
        assert_eq!((server.recovered_at_ms(), server.consecutive_failures()), (7, 0));
        server.set_ejected(true, 8, "failures");
        server.set_checked(Checked::Up, 8, "");
        assert_eq!(server.reason(), "failures", "it is still ejected");
        server.set_ejected(false, 9, "");
        assert_eq!((server.recovered_at_ms(), server.reason().as_str()), (9, ""));
        assert_eq!((server.downs(), server.ejections()), (1, 1));
    }

    #[test]
    fn only_a_new_answer_of_the_resolver_is_news() {
        let server = server();
        let address = || vec![SocketAddress::Ip(([127, 0, 0, 1], 80).into())];
        assert!(server.set_resolved(address()));
        assert!(!server.set_resolved(address()));
        assert_eq!((server.resolved_version(), server.resolved().len()), (1, 1));
    }
}
