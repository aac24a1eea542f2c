//! How a server is chosen.
//!
//! Job: the one table of algorithms, what they see of servers and requests, and what they answer.
//! In: candidates as one core sees them, a request's hash, random numbers. Out: an index.
//! Invariant: pure: no clock, no I/O, no allocation in [`Balancer::pick`]; an answer is always usable,
//! has weight and has room. One file for each algorithm, one row here for each name.
//!
//! A pool makes one [`Blueprint`] when a configuration is loaded, which holds what all cores share (the
//! tables of hashed algorithms); each core makes its own [`Balancer`] of it.

mod first;
mod hashed;
mod ketama;
pub mod key;
pub mod latency;
mod least_conn;
mod maglev;
mod p2c;
mod peak_ewma;
mod round_robin;
mod select;
#[cfg(test)]
mod simulation_tests;
pub mod slow_start;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ringlet_base::random::Random;

use self::hashed::Table;
use self::key::KeyHash;
use crate::model::{Balance, HashKey, Pool, Server};

/// A weight of 1: weights are counted in 256ths, so that slow start has steps below 1.
pub const WEIGHT_ONE: u32 = 256;

/// The most servers of a pool: the indices of [`Request::tried`] and of the tables have 16 bits.
pub const SERVERS_MAX: usize = 65_535;

/// The most servers that `choices` may name; more are looked at as so many.
pub const CHOICES_MAX: usize = 16;

/// One server as one core sees it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Whether it may get requests: up, not ejected, not drained, of the priority that serves.
    pub usable: bool,
    /// Whether it has all the requests that it may have.
    pub is_full: bool,
    /// Its weight in 256ths, less while it starts slowly ([`slow_start::weight`]); 0 gets nothing.
    pub weight: u32,
    /// Requests in flight of this core: exact.
    pub in_flight: u32,
    /// Requests in flight of all other cores: as old as the last fold of the load board.
    pub foreign: u32,
    /// Its latency, decayed and merged over cores ([`latency::merge`]); 0 while nobody knows it.
    pub latency_us: u32,
    /// Requests that this core gave it in the last second: decides between equal loads.
    pub recent: u32,
}

impl Candidate {
    /// Whether it gets requests at all.
    #[inline]
    fn serves(&self) -> bool {
        self.usable && self.weight > 0
    }

    /// Requests in flight of all cores.
    #[inline]
    fn load(&self) -> u64 {
        u64::from(self.in_flight) + u64::from(self.foreign)
    }
}

/// A request that needs a server.
#[derive(Copy, Clone, Debug)]
pub struct Request<'a> {
    /// All servers of the pool, in the order of the configuration.
    pub candidates: &'a [Candidate],
    /// Servers that had this request already: not again, unless nothing else serves.
    pub tried: &'a [u16],
    /// Its key, hashed by the algorithm's [`KeyHash`]; 0 for algorithms that do not hash.
    pub hash: u64,
}

impl Request<'_> {
    /// Whether the server serves, has room and has not been tried.
    #[inline]
    fn is_open(&self, index: usize) -> bool {
        self.candidates.get(index).is_some_and(|one| one.serves() && !one.is_full)
            && !self.was_tried(index)
    }

    #[inline]
    fn was_tried(&self, index: usize) -> bool {
        self.tried.iter().any(|&tried| usize::from(tried) == index)
    }

    /// The same request with its past forgiven, if only tried servers serve. While another one serves
    /// but is full, the request waits for that one.
    fn forgiven(&self) -> Option<Self> {
        let mut candidates = self.candidates.iter().enumerate();
        let others = candidates.any(|(index, one)| one.serves() && !self.was_tried(index));
        (!self.tried.is_empty() && !others).then_some(Self { tried: &[], ..*self })
    }
}

/// Chooses servers for one pool on one core.
pub trait Balancer {
    /// The server for a request among those that are open to it, or `None` when there is none.
    /// Implementations write this; callers use [`Balancer::pick`].
    fn choose(&mut self, request: &Request<'_>, random: &mut Random) -> Option<usize>;

    /// The server for a request. `None` says that no server serves or that all that do are full.
    fn pick(&mut self, request: &Request<'_>, random: &mut Random) -> Option<usize> {
        self.choose(request, random).or_else(|| self.choose(&request.forgiven()?, random))
    }

    /// Tells that candidates changed in usability or weight, and at each fold of the load board. Cheap
    /// when nothing changed. A balancer that never heard of it still answers rightly, but slowly.
    fn update(&mut self, candidates: &[Candidate]);
}

/// One row of the table.
pub struct Algorithm {
    /// As it stands in configuration files.
    pub name: &'static str,
    /// One sentence for people who choose one.
    pub about: &'static str,
    /// How keys are hashed for it, if it hashes.
    pub hash: Option<KeyHash>,
    /// What it hashes whatever the configuration says, for names that say so themselves.
    pub key: Option<HashKey>,
    /// The table that all cores share.
    table: Option<fn(&[Server]) -> Table>,
    /// One core's balancer.
    make: fn(&Blueprint, core: usize, cores: usize) -> Box<dyn Balancer>,
}

impl Algorithm {
    /// Whether it chooses by a key of the request.
    #[must_use]
    pub fn hashes(&self) -> bool {
        self.hash.is_some()
    }

    const fn plain(
        name: &'static str,
        make: fn(&Blueprint, usize, usize) -> Box<dyn Balancer>,
        about: &'static str,
    ) -> Self {
        Self { name, about, hash: None, key: None, table: None, make }
    }

    const fn hashed(
        name: &'static str,
        hash: KeyHash,
        key: Option<HashKey>,
        table: fn(&[Server]) -> Table,
        about: &'static str,
    ) -> Self {
        Self { name, about, hash: Some(hash), key, table: Some(table), make: hashed::make }
    }
}

/// The algorithm of pools that name none.
pub const ALGORITHM_DEFAULT: &str = "p2c";

/// All algorithms by name.
pub static ALGORITHMS: &[Algorithm] = &[
    Algorithm::plain("p2c", p2c::make, "the less loaded of `choices` servers drawn by weight"),
    Algorithm::plain(
        "random",
        p2c::make,
        "HAProxy's name for p2c; drawn by weight alone with `choices` of 1",
    ),
    Algorithm::plain(
        "round-robin",
        round_robin::make,
        "each in turn, by weight, interleaved as by nginx",
    ),
    Algorithm::plain(
        "least-conn",
        least_conn::make,
        "the one with the fewest requests in flight for its weight",
    ),
    Algorithm::plain(
        "peak-ewma",
        peak_ewma::make,
        "the one of `choices` with the least latency times load",
    ),
    Algorithm::plain("first", first::make, "the first one that has room"),
    Algorithm::hashed(
        "maglev",
        KeyHash::Xxh3,
        None,
        maglev::table,
        "always the same one for a key, by Maglev's table: even, and fast",
    ),
    Algorithm::hashed(
        "ketama",
        KeyHash::Crc32,
        None,
        ketama::table,
        "always the same one for a key, the same one as by nginx's consistent hash",
    ),
    Algorithm::hashed(
        "source",
        KeyHash::Xxh3,
        Some(HashKey::Source),
        maglev::table,
        "maglev keyed by the client's address",
    ),
    Algorithm::hashed(
        "uri",
        KeyHash::Xxh3,
        Some(HashKey::Path),
        maglev::table,
        "maglev keyed by the path without the query, as HAProxy's",
    ),
];

/// The algorithm of a name.
#[must_use]
pub fn algorithm(name: &str) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().find(|algorithm| algorithm.name == name)
}

/// What the balancers of one pool have in common on all cores. Made when a configuration is loaded.
pub struct Blueprint {
    algorithm: &'static Algorithm,
    balance: Balance,
    /// Configured weights in 256ths.
    weights: Vec<u32>,
    table: Option<Arc<Table>>,
}

impl Blueprint {
    /// The blueprint of a pool. An algorithm that is not in the table becomes the first row, as a
    /// configuration that was checked never names one.
    #[must_use]
    pub fn new(pool: &Pool) -> Self {
        let algorithm = algorithm(pool.balance.algorithm).unwrap_or(&ALGORITHMS[0]);
        Self {
            algorithm,
            balance: pool.balance.clone(),
            weights: pool.servers.iter().map(full_weight).collect(),
            table: algorithm.table.map(|make| Arc::new(make(&pool.servers))),
        }
    }

    /// Its row, which says how keys are hashed for [`Request::hash`].
    #[must_use]
    pub fn algorithm(&self) -> &'static Algorithm {
        self.algorithm
    }

    /// What is hashed: the row's own key, else the configured one.
    #[must_use]
    pub fn key(&self) -> &HashKey {
        self.algorithm.key.as_ref().unwrap_or(&self.balance.key)
    }

    /// The balancer of core `core` of `cores`.
    #[must_use]
    pub fn balancer(&self, core: usize, cores: usize) -> Box<dyn Balancer> {
        (self.algorithm.make)(self, core, cores.max(1))
    }

    fn choices(&self) -> usize {
        usize::from(self.balance.choices).clamp(1, CHOICES_MAX)
    }
}

/// The weight of a server that has started, in 256ths.
fn full_weight(server: &Server) -> u32 {
    u32::from(server.weight) * WEIGHT_ONE
}
