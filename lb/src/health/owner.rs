//! Which core makes a check, and which checks are one and the same.
//!
//! Job: give every check, and every pool's ejection, to exactly one core. In: the pools and the cores
//! that run. Out: the checks of one core, each with the servers that its result is for.
//! Invariant: probes per second do not depend on the number of cores; all cores name the same
//! owner; when a core comes or goes only checks that move to or from it change their owner.
//!
//! Two checks are the same only if everything about them is: where they go, what they ask, what
//! they expect and how often. An address alone says too little; two virtual hosts of one server may
//! differ.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::{Check, Pool, ProxyVersion, Server};

/// Everything that makes a check what it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckKey {
    /// Where it goes: `HOST:PORT` with the port of the check, or `unix:PATH`.
    pub address: String,
    /// What it sends first, so that a server that demands it answers.
    pub sends_proxy: Option<ProxyVersion>,
    /// What it asks, expects, and how often.
    pub check: Check,
}

/// A check that a core makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedCheck {
    /// The check.
    pub key: CheckKey,
    /// Whom its result is for: indexes of pools and of servers in them.
    pub servers: Vec<(usize, usize)>,
}

impl CheckKey {
    /// The check of a server of a pool, if it has one.
    #[must_use]
    pub fn of(pool: &Pool, server: &Server) -> Option<Self> {
        let check = pool.check.as_ref().filter(|_| server.checked)?;
        let (address, sends_proxy) = match check.port {
            None => (server.address.clone(), pool.sends_proxy),
            // A port for checks only speaks to nobody behind a proxy.
            Some(port) => (with_port(&server.address, port), None),
        };
        Some(Self { address, sends_proxy, check: check.clone() })
    }
}

/// The checks of these pools that `core` makes, out of `cores`.
#[must_use]
pub fn owned_checks<'a>(
    pools: impl IntoIterator<Item = &'a Pool>,
    core: usize,
    cores: &[usize],
) -> Vec<OwnedCheck> {
    let mut checks: Vec<OwnedCheck> = Vec::new();
    let mut places: HashMap<CheckKey, usize> = HashMap::new();
    for (pool_index, pool) in pools.into_iter().enumerate() {
        for (server_index, server) in pool.servers.iter().enumerate() {
            let Some(key) = CheckKey::of(pool, server) else { continue };
            if owner(&key, cores) != Some(core) {
                continue;
            }
            let place = *places.entry(key.clone()).or_insert_with(|| {
                checks.push(OwnedCheck { key, servers: Vec::new() });
                checks.len() - 1
            });
            checks[place].servers.push((pool_index, server_index));
        }
    }
    checks
}

/// The core that owns `key` (a [`CheckKey`], or a pool's name for its ejection) by rendezvous
/// hashing: the one of `cores` with the highest score. A core that stalls is left out of `cores`
/// and loses what it owned to the others. `None` without cores.
#[must_use]
pub fn owner<K: Hash + ?Sized>(key: &K, cores: &[usize]) -> Option<usize> {
    // Fixed keys: every core of the process comes to the same result.
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let hash = hasher.finish();
    cores.iter().copied().max_by_key(|&core| (score(hash, core), core))
}

/// SplitMix64's mixing, so that neighbouring cores get unrelated scores.
fn score(hash: u64, core: usize) -> u64 {
    let mut word = hash ^ (core as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn with_port(address: &str, port: u16) -> String {
    match address.rsplit_once(':') {
        Some((host, _)) if !address.starts_with("unix:") => format!("{host}:{port}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;
    use crate::model::{
        AdminState, Balance, CheckKind, HashKey, IdleLimits, Mode, Retry, Timeouts,
    };

    fn http(host: &str, path: &str) -> Check {
        Check {
            kind: CheckKind::Http {
                method: "GET".into(),
                path: path.into(),
                host: Some(host.into()),
                status: vec![(200, 399)],
                body: None,
            },
            interval_ms: 2000,
            fast_interval_ms: 500,
            down_interval_ms: 2000,
            timeout_ms: 1000,
            rise: 2,
            fall: 3,
            jitter_percent: 10,
            port: None,
        }
    }

    fn server(address: &str) -> Server {
        Server {
            name: address.into(),
            address: address.into(),
            weight: 1,
            priority: 0,
            requests_max: 0,
            checked: true,
            cookie: String::new(),
            state: AdminState::Ready,
        }
    }

    fn pool(check: Option<Check>, servers: Vec<Server>) -> Pool {
        Pool {
            name: "pool".into(),
            mode: Mode::Http,
            balance: Balance {
                algorithm: "p2c",
                key: HashKey::Source,
                choices: 2,
                load_factor_percent: 0,
            },
            servers,
            timeouts: Timeouts {
                connect_ms: 1,
                client_ms: 1,
                server_ms: 1,
                request_ms: 1,
                keepalive_ms: 1,
                queue_ms: 1,
                tunnel_ms: 1,
            },
            check,
            ejection: None,
            panic_percent: 0,
            retry: Retry { attempts: 0, budget_percent: 0, budget_min: 0 },
            queue_max: 0,
            requests_max: 0,
            sticky: None,
            slow_start_ms: 0,
            idle: IdleLimits { connections_max: 0, timeout_ms: 1, lifetime_ms: 1, requests_max: 0 },
            sends_proxy: None,
        }
    }

    fn key(check: Check) -> CheckKey {
        CheckKey { address: "10.0.0.1:80".into(), sends_proxy: None, check }
    }

    #[test]
    fn probes_do_not_grow_with_cores() {
        let servers = (0..200).map(|number| server(&format!("10.0.0.{number}:80"))).collect();
        let pools = [pool(Some(http("a", "/")), servers)];
        for count in [1, 2, 4, 16] {
            let cores: Vec<usize> = (0..count).collect();
            let owned: Vec<Vec<OwnedCheck>> =
                cores.iter().map(|&core| owned_checks(&pools, core, &cores)).collect();
            let keys: HashSet<&CheckKey> = owned.iter().flatten().map(|one| &one.key).collect();
            assert_eq!((keys.len(), owned.iter().flatten().count()), (200, 200), "{count} cores");
            let largest = owned.iter().map(Vec::len).max().unwrap_or(0);
            assert!(largest <= 200 / count * 2 + 5, "one of {count} cores has {largest} of 200");
        }
    }

    #[test]
    fn pools_share_a_check_only_if_everything_is_the_same() {
        let one = || vec![server("10.0.0.1:80")];
        let pools = [
            pool(Some(http("a", "/")), one()),
            pool(Some(http("b", "/")), one()),
            pool(Some(http("a", "/")), one()),
            pool(None, one()),
            pool(Some(http("a", "/")), vec![Server { checked: false, ..server("10.0.0.1:80") }]),
        ];
        let checks = owned_checks(&pools, 0, &[0]);
        let servers: Vec<_> = checks.iter().map(|check| check.servers.clone()).collect();
        assert_eq!(servers, [vec![(0, 0), (2, 0)], vec![(1, 0)]]);
    }

    #[test]
    fn every_part_of_a_check_tells_it_apart() {
        let base = || http("a", "/");
        let with = |change: fn(&mut Check)| {
            let mut check = base();
            change(&mut check);
            key(check)
        };
        let kind = |method: &str, status: (u16, u16), body: Option<&str>| {
            let mut check = base();
            check.kind = CheckKind::Http {
                method: method.into(),
                path: "/".into(),
                host: Some("a".into()),
                status: vec![status],
                body: body.map(Into::into),
            };
            key(check)
        };
        let keys = [
            key(base()),
            key(http("b", "/")),
            key(http("a", "/health")),
            kind("HEAD", (200, 399), None),
            kind("GET", (200, 299), None),
            kind("GET", (200, 399), Some("ok")),
            with(|check| check.kind = CheckKind::Tcp),
            with(|check| check.kind = CheckKind::Resp { password: None }),
            with(|check| check.kind = CheckKind::Resp { password: Some("secret".into()) }),
            with(|check| check.interval_ms += 1),
            with(|check| check.fast_interval_ms += 1),
            with(|check| check.down_interval_ms += 1),
            with(|check| check.timeout_ms += 1),
            with(|check| check.rise += 1),
            with(|check| check.fall += 1),
            with(|check| check.jitter_percent += 1),
            CheckKey { address: "10.0.0.1:81".into(), ..key(base()) },
            CheckKey { sends_proxy: Some(ProxyVersion::V1), ..key(base()) },
            CheckKey { sends_proxy: Some(ProxyVersion::V2), ..key(base()) },
        ];
        let different: HashSet<&CheckKey> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn a_port_of_the_check_replaces_that_of_the_server() {
        let check = Check { port: Some(9000), ..http("a", "/") };
        let mut pool = pool(Some(check), Vec::new());
        pool.sends_proxy = Some(ProxyVersion::V2);
        for (address, expected) in [
            ("10.0.0.1:80", "10.0.0.1:9000"),
            ("[::1]:80", "[::1]:9000"),
            ("unix:/run/a:1", "unix:/run/a:1"),
        ] {
            let found = CheckKey::of(&pool, &server(address)).expect("it is checked");
            assert_eq!((found.address.as_str(), found.sends_proxy), (expected, None));
        }
        pool.check = Some(http("a", "/"));
        let found = CheckKey::of(&pool, &server("10.0.0.1:80")).expect("it is checked");
        assert_eq!(found.sends_proxy, Some(ProxyVersion::V2));
    }

    #[test]
    fn only_what_a_lost_core_owned_moves() {
        let all: Vec<usize> = (0..8).collect();
        let without: Vec<usize> = all.iter().copied().filter(|&core| core != 3).collect();
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for number in 0..2000 {
            let name = format!("pool {number}");
            let before = owner(&name, &all).expect("there are cores");
            let after = owner(&name, &without).expect("there are cores");
            assert!(before == after || before == 3, "{name}: {before} to {after}");
            assert_ne!(after, 3);
            *counts.entry(before).or_default() += 1;
        }
        // Each is expected 250 times with a standard deviation of about 15.
        assert!(
            counts.len() == 8 && counts.values().all(|&n| (175..325).contains(&n)),
            "{counts:?}"
        );
        assert_eq!(owner("pool", &[]), None);
    }
}
