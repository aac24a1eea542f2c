//! The store.
//!
//! Job: `[store]`. In: its section. Out: [`StoreSettings`]. Invariant: every number is within bounds
//! that the leases were made for.

use std::fmt;

use ringlet_base::config::values::{flag, number, text, text_as, time};
use ringlet_base::config::{Section, address, shown};

/// The most limiters that may share a store.
pub const NODES_MAX: u64 = 10_000;
/// The longest prefix of the keys.
const PREFIX_LENGTH_MAX: usize = 64;
/// The longest time that a call may take.
const TIMEOUT_MS_MAX: u32 = 10_000;
/// The longest time from one renewal of leases to the next.
const RENEWAL_MS_MAX: u32 = 1000;
/// The largest part of a limit that may be out on leases.
const LEASE_PERCENT_MAX: u64 = 50;

/// A Redis-compatible server, or a cluster of them, that limiters share.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// `HOST:PORT` or `unix:PATH`; several: of a cluster.
    pub addresses: Vec<String>,
    /// Whether it is a Redis Cluster.
    pub is_cluster: bool,
    /// For AUTH.
    pub username: Option<String>,
    /// For AUTH.
    pub password: Option<String>,
    /// How long a call may take before it has failed.
    pub timeout_ms: u32,
    /// Limiters that share the store, at least.
    pub nodes: u64,
    /// What the names of all keys begin with.
    pub prefix: String,
    /// How long a lease shall last until it is renewed: a busy key asks the store that often.
    pub renewal_ms: u32,
    /// How much of a limit may be out on leases, in percent.
    pub lease_percent: u64,
}

impl StoreSettings {
    /// One server, and else what holds if nothing is said.
    #[must_use]
    pub fn new(address: String) -> Self {
        Self {
            addresses: vec![address],
            is_cluster: false,
            username: None,
            password: None,
            timeout_ms: 20,
            nodes: 1,
            prefix: "rl".to_owned(),
            renewal_ms: 25,
            lease_percent: 5,
        }
    }
}

/// All but the password, as this stands in logs.
impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("addresses", &self.addresses)
            .field("is_cluster", &self.is_cluster)
            .field("username", &self.username)
            .field("has_password", &self.password.is_some())
            .field("timeout_ms", &self.timeout_ms)
            .field("nodes", &self.nodes)
            .field("prefix", &self.prefix)
            .field("renewal_ms", &self.renewal_ms)
            .field("lease_percent", &self.lease_percent)
            .finish()
    }
}

/// Reads `[store]`, if it is there.
#[must_use]
pub fn read(root: &Section<'_>) -> Option<StoreSettings> {
    let section = root.table("store")?;
    let mut store = StoreSettings::new(String::new());
    match section.filled_list("address", text_as(address)) {
        Some(addresses) => store.addresses = addresses,
        None => section.missing("address"),
    }
    section.set("cluster", &mut store.is_cluster, flag);
    section.set("username", &mut store.username, |value| text(value).map(Some));
    section.set("password", &mut store.password, |value| text(value).map(Some));
    section.set("timeout", &mut store.timeout_ms, |value| within(time(value)?, TIMEOUT_MS_MAX));
    section.set("nodes", &mut store.nodes, number(1, NODES_MAX));
    section.set("prefix", &mut store.prefix, text_as(prefix));
    section.set("renewal", &mut store.renewal_ms, |value| within(time(value)?, RENEWAL_MS_MAX));
    section.set("lease_percent", &mut store.lease_percent, number(1, LEASE_PERCENT_MAX));
    if store.addresses.len() > 1 && !store.is_cluster {
        section.wrong("address", "several addresses need `cluster = true`");
    }
    if store.username.is_some() && store.password.is_none() && !section.has("password") {
        section.wrong("username", "needs a `password`");
    }
    if store.is_cluster && store.addresses.iter().any(|address| address.starts_with("unix:")) {
        section.wrong("address", "a cluster has no unix sockets");
    }
    section.finish_with(|key| match key {
        "addresses" | "url" | "host" => Some("did you mean `address`?".to_owned()),
        "port" => Some("it belongs to `address`: \"HOST:PORT\"".to_owned()),
        _ => None,
    });
    Some(store)
}

fn within(ms: u32, most: u32) -> Result<u32, String> {
    if ms <= most { Ok(ms) } else { Err(format!("the time is longer than {most} ms")) }
}

fn prefix(text: &str) -> Result<String, String> {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=PREFIX_LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_right) {
        Ok(text.to_owned())
    } else {
        let given = shown(text);
        Err(format!(
            "\"{given}\" is not a prefix: 1 to {PREFIX_LENGTH_MAX} of letters, digits and ._-"
        ))
    }
}
