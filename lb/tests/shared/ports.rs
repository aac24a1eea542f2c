//! Job: ports for the balancers and backends of the tests. In: nothing. Out: ports of 127.0.0.1.
//! Invariant: no port is given out twice by a process, and none that the kernel gives to clients, so that
//! nobody takes one between its choice and its use.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// A port that nobody has, and that no other test of this process gets.
pub fn free_port() -> u16 {
    free_listener().1
}

/// The same with a listener at it.
pub fn free_listener() -> (TcpListener, u16) {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let first = since.wrapping_mul(2_654_435_761) ^ std::process::id();
    let found = (0..20_000)
        .map(|step| 12_000 + (first.wrapping_add(step) % 20_000) as u16)
        .filter(|port| !given.contains(port))
        .find_map(|port| Some((TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?, port)))
        .expect("a free port");
    given.insert(found.1);
    found
}
