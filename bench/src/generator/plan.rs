//! Job: what a run of load is, in the values that the generator works with.
//! In: options that have been checked. Out: a [`Plan`].
//! Invariant: every queue has its bound here.

use std::net::SocketAddr;
use std::time::Duration;

/// Requests that may wait for their replies, over all connections of a core; at the bound the run ends
/// with an error that says the server does not keep up.
pub const OUTSTANDING_MAX: usize = 1 << 20;
/// Bytes of requests that may wait until a server takes them, over all connections of a core; beyond
/// them the run ends with the same error.
pub const UNSENT_BYTES_MAX: usize = 1 << 30;
/// Bytes of one reply that are waited for.
pub const REPLY_BYTES_MAX: usize = 512 << 20;
/// How long the last replies are waited for after the end, if a plan has no reason to say otherwise.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The same when the run was interrupted: somebody waits for its end.
pub const INTERRUPTED_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections that the server said it would end, and has not, are ended by the generator beyond so many.
pub const RETIRED_SOCKETS_MAX: usize = 256;
/// How long a run waits for any reply at all while requests are outstanding.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long all connections together may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each client sends so many requests at once and waits for all their replies (redis-benchmark -P).
    Closed {
        /// Requests sent at once, at least 1.
        pipeline: usize,
    },
    /// At fixed times, whatever the server does.
    Open {
        /// Requests per second over all clients.
        rate: f64,
        /// How the times lie.
        gaps: Gaps,
        /// Requests that are sent at each time, by one client; the times are rarer accordingly.
        burst: usize,
    },
}

/// The time from one request to the next in an open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gaps {
    /// All alike.
    Equal,
    /// Exponential, as independent users make them.
    Random,
}

/// When a stream ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// So long after the warm-up.
    Time(Duration),
    /// After so many requests (warm-up included).
    Requests(u64),
}

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamPlan {
    /// Clients over all cores. Each has a connection to every node, unless it keeps to one.
    pub clients: usize,
    /// Each client has one node and asks for keys of that node only.
    pub keeps_to_node: bool,
    /// When they send.
    pub pace: Pace,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The servers; `Asked::node` counts them. One, unless it is a cluster.
    pub nodes: Vec<SocketAddr>,
    /// Threads that make load, each with a ring of its own.
    pub cores: usize,
    /// The load.
    pub stream: StreamPlan,
    /// A bystander beside the load, on the first core, which is measured by itself.
    pub probe: Option<StreamPlan>,
    /// What random times follow from.
    pub seed: u64,
    /// What is not measured at the start.
    pub warm_up: Duration,
    /// When the load ends; the probe ends with it.
    pub limit: Limit,
    /// How long the last replies are waited for after the end.
    pub drain: Duration,
    /// A new connection for each request.
    pub reconnects: bool,
    /// Other processes need the generator's CPU: an idle pass yields it.
    pub shares_cpu: bool,
}
