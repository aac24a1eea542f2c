//! What is told when a server goes down or comes back.
//!
//! Job: one log line per change. In: the server as it is now. Out: the line. Invariant: it says which
//! server of which pool, why, and how many are left.

use std::sync::Arc;

use crate::health::ejection::Reason;
use crate::model::AdminState;
use crate::snapshot::{PoolShared, Snapshot};
use crate::state::{Checked, ServerState};

/// The pool of a server.
pub fn pool_of<'a>(snapshot: &'a Snapshot, server: &ServerState) -> Option<&'a Arc<PoolShared>> {
    snapshot.pools.iter().find(|pool| pool.state.name == server.pool)
}

/// A check sees a server in another way than `before`.
pub fn checked(snapshot: &Snapshot, server: &ServerState, before: Checked) {
    let (pool, name) = (&server.pool, &server.name);
    let left = pool_of(snapshot, server).map_or_else(String::new, |pool| left(pool));
    match server.checked() {
        Checked::Down => {
            tracing::warn!("server {pool}/{name} is DOWN: {}; {left}", server.reason());
        }
        Checked::Up if before == Checked::Down => {
            tracing::info!("server {pool}/{name} is UP; {left}");
        }
        // It was taken for well, and is.
        Checked::Up | Checked::Unknown => {}
    }
}

/// What requests met has ejected a server.
pub fn ejected(pool: &PoolShared, server: &ServerState, reason: &Reason, length_ms: i64) {
    let seconds = length_ms as f64 / 1000.0;
    tracing::warn!(
        "server {}/{} is ejected for {seconds} s: {reason}; {}",
        server.pool,
        server.name,
        left(pool)
    );
}

/// An ejection is over.
pub fn returned(pool: &PoolShared, server: &ServerState, by_check: bool) {
    let why = if by_check { "its check passes" } else { "the time is over" };
    tracing::info!(
        "server {}/{} is back from its ejection, as {why}; {}",
        server.pool,
        server.name,
        left(pool)
    );
}

fn left(pool: &PoolShared) -> String {
    let servers = &pool.servers;
    let is_up = |server: &&Arc<ServerState>| {
        server.checked() != Checked::Down
            && !server.is_ejected()
            && server.admin() != AdminState::Maintenance
    };
    let up = servers.iter().filter(is_up).count();
    format!("{up} of {} servers are up", servers.len())
}
