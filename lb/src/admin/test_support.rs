//! What the tests of the admin pages begin with.
//!
//! Job: a snapshot with counters that are known. In: nothing. Out: a snapshot. Invariant: opens no
//! socket.

use std::path::Path;
use std::sync::Arc;

use ringlet_limit::store::link::NodeId;
use ringlet_limit_carrier::station::Crew;

use crate::config;
use crate::registry::Registry;
use crate::snapshot::Snapshot;
use crate::state::Checked;

/// Two cores, the pools `api` (servers `one` and `two`) and `db` (TCP, one server that is down).
pub fn snapshot() -> Arc<Snapshot> {
    registry().1
}

/// The same with the registry that has made it.
pub fn registry() -> (Registry, Arc<Snapshot>) {
    let text = r#"
[[listener]]
name = "web"
bind = "127.0.0.1:1"
default_pool = "api"
[pool.api]
check = "/health"
servers = ["127.0.0.1:1 name=one weight=3 maxconn=50", "127.0.0.1:2 name=two state=drain backup"]
[pool.db]
mode = "tcp"
check = "tcp"
servers = ["127.0.0.1:3 name=main"]
"#;
    let mut configuration = config::parse(text, Path::new("")).expect("a configuration");
    configuration.listeners[0].binds.clear();
    let mut registry = Registry::new(2);
    let snapshot = registry.take_up(&configuration).expect("it opens nothing");
    snapshot.pools[0].servers[0].set_checked(Checked::Up, 1000, "");
    snapshot.pools[1].servers[0].set_checked(Checked::Down, 2000, "connection refused");
    (registry, snapshot)
}

/// What rate limiters of two cores have in common.
pub fn crew() -> Crew {
    Crew::new(2, 1000, None, NodeId::new(1), 0)
}

/// So many requests to the server `one`, a tenth of them on new connections, each in 1 ms; the last
/// one is still in flight.
pub fn serve(snapshot: &Snapshot, requests: u64) {
    let (listener, pool) = (&snapshot.listeners[0].state, &snapshot.pools[0]);
    for number in 0..requests {
        let core = (number % 2) as usize;
        let (entry, row) = (listener.rows.of(core), pool.state.rows.of(core));
        let server = pool.servers[0].rows.of(core);
        entry.requests.add(1);
        entry.bytes_in.add(100);
        entry.bytes_out.add(1000);
        row.requests.add(1);
        server.requests.add(1);
        server.bytes_out.add(120);
        server.bytes_in.add(900);
        if number % 10 == 0 {
            server.connects.add(1);
            entry.accepted.add(1);
        } else {
            server.reused.add(1);
        }
        if number + 1 == requests {
            entry.open.rise();
            row.in_flight.rise();
            server.in_flight.rise();
            server.open.rise();
        } else {
            row.durations.record(1000);
            row.responses[2].add(1);
            entry.responses[2].add(1);
            server.responses[2].add(1);
        }
    }
}
