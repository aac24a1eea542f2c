//! Job: redis-server for the tests. In: options. Out: a process that answers.
//! Invariant: a dropped server has been ended.

use ringlet_check::process::{Launch, RunningServer, ServerBinary};

/// A redis-server of the PATH without persistence.
pub fn redis(options: &[&str]) -> RunningServer {
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(1) };
    ServerBinary::at("redis-server").launch(&launch).expect("Debian package redis-server")
}

/// What the load generator calls a server.
pub fn url(server: &RunningServer) -> String {
    format!("redis://{}", server.address())
}
