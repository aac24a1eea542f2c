//! Names of servers and what they stand for.
//!
//! Job: look names up, at the start and again and again, away from the cores. In: addresses as
//! configured. Out: socket addresses in the servers' states.
//! Invariant: a name that cannot be looked up keeps its last answer; literal addresses are never
//! looked up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use ringlet_runtime::listen::look_up;
use ringlet_runtime::ring::SocketAddress;

use crate::shared::Shared;
use crate::state::ServerState;

/// From look-up to look-up of each name: the resolver does not tell how long its answer is good for.
pub const PERIOD: Duration = Duration::from_secs(10);

/// Looks a server's address up. True if that has changed what is known of it.
pub fn resolve(server: &ServerState) -> bool {
    resolve_by(server, look_up)
}

fn resolve_by(
    server: &ServerState,
    look_up: impl Fn(&str) -> Result<Vec<SocketAddress>, String>,
) -> bool {
    match look_up(&server.address) {
        Ok(addresses) if !addresses.is_empty() => server.set_resolved(addresses),
        Ok(_) => false,
        Err(error) => {
            let kept =
                if server.resolved_version() > 0 { "; its last address is kept" } else { "" };
            tracing::warn!("server {} of {}: {error}{kept}", server.name, server.pool);
            false
        }
    }
}

/// Whether an address is a name, which may come to stand for another address.
fn is_name(address: &str) -> bool {
    !address.starts_with("unix:") && address.parse::<SocketAddr>().is_err()
}

/// Looks all names of the present configuration up again and again, until `stop` is closed.
pub fn run(shared: &Arc<Shared>, stop: &Receiver<()>) {
    while stop.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        let snapshot = shared.published.get();
        let servers = snapshot.pools.iter().flat_map(|pool| &pool.servers);
        let mut has_news = false;
        for server in servers.filter(|server| is_name(&server.address)) {
            if resolve(server) {
                tracing::info!("server {} of {} has a new address", server.name, server.pool);
                has_news = true;
            }
        }
        if has_news {
            shared.changes.note();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    #[test]
    fn a_name_follows_its_answers_and_keeps_the_last_good_one() {
        let server = model::Server {
            name: "one".into(),
            address: "app.example:80".into(),
            weight: 1,
            priority: 0,
            requests_max: 0,
            checked: true,
            cookie: "one".into(),
            state: model::AdminState::Ready,
        };
        let server = ServerState::new(0, "pool", &server, 1);
        let answer = |last: u8| Ok(vec![SocketAddress::Ip(([10, 0, 0, last], 80).into())]);
        let failure = |_: &str| Err("no such name".to_owned());
        assert!(!resolve_by(&server, failure) && server.resolved_version() == 0);
        assert!(resolve_by(&server, |_| answer(1)));
        assert!(!resolve_by(&server, |_| answer(1)), "no news");
        assert!(!resolve_by(&server, failure) && !resolve_by(&server, |_| Ok(Vec::new())));
        assert_eq!(server.resolved()[..], answer(1).unwrap()[..]);
        assert!(resolve_by(&server, |_| answer(2)));
        assert_eq!(server.resolved()[..], answer(2).unwrap()[..]);
    }

    #[test]
    fn only_names_are_looked_up_again() {
        assert!(is_name("localhost:80") && is_name("example.com:443"));
        assert!(!is_name("127.0.0.1:80") && !is_name("[::1]:80") && !is_name("unix:/run/a"));
    }

    #[test]
    fn what_is_no_address_is_said() {
        assert!(look_up("127.0.0.1").unwrap_err().contains("such as 127.0.0.1:80"));
        assert_eq!(look_up("127.0.0.1:80").unwrap().len(), 1);
    }
}
