//! What a link is told when it is made.
//!
//! Job: the settings of the way to the store. In: the configuration. Out: values that never change.
//! Invariant: a [`NodeId`] is always a word that can stand in any command.

/// How to reach the store, and how patiently. No `Debug`: the password is nobody's to print.
#[derive(Clone)]
pub struct LinkSettings {
    /// `host:port` each. One store: they are tried in turn. A cluster: whom to ask for the others.
    pub addresses: Vec<String>,
    /// Whether it is a Redis Cluster.
    pub is_cluster: bool,
    /// For `AUTH`; without it the default user.
    pub username: Option<String>,
    /// For `AUTH`.
    pub password: Option<String>,
    /// After which a call is answered `Failed`.
    pub timeout_ms: u64,
    /// Of the key that holds the members; the other keys come with the calls.
    pub prefix: String,
    /// Limiters that are assumed at least.
    pub nodes_min: u64,
    /// Whether this link tells the store that the node is there, and counts the nodes: one core's.
    pub is_heartbeat: bool,
    /// Calls on their way at most, those included whose deadline has passed and whose reply is
    /// still to come; any more are answered `Failed` at once.
    pub calls_max: usize,
}

impl LinkSettings {
    /// The defaults for a store at these addresses.
    #[must_use]
    pub fn at(addresses: Vec<String>) -> Self {
        Self {
            addresses,
            is_cluster: false,
            username: None,
            password: None,
            timeout_ms: 20,
            prefix: "rl".to_owned(),
            nodes_min: 1,
            is_heartbeat: false,
            calls_max: 4096,
        }
    }
}

/// The name of this limiter among those that share the store: random, new with every start, so that
/// nobody takes up the leases of a former life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeId(String);

impl NodeId {
    /// The name made of 128 random bits.
    #[must_use]
    pub fn new(random: u128) -> Self {
        Self(format!("{random:032x}"))
    }

    /// The name of one core of it: each core counts its own calls, by which the store tells late ones.
    #[must_use]
    pub fn of_core(&self, core: usize) -> Self {
        Self(format!("{}-{core}", self.0))
    }

    /// As it stands in commands.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
