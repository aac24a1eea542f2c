//! What the tests of the algorithms share: pools, candidates, and a seed that a failing test shows.

use ringlet_base::random::Random;

use super::{Balancer, Blueprint, Candidate, Request, WEIGHT_ONE};
use crate::model::{AdminState, Balance, HashKey, IdleLimits, Mode, Pool, Retry, Server, Timeouts};

/// A generator whose seed stands in the output of a test that fails; `RINGLET_SEED` sets it.
pub fn random() -> Random {
    let given = std::env::var("RINGLET_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| Random::from_system().expect("entropy").next_u64());
    println!("RINGLET_SEED={seed}");
    Random::new(seed)
}

/// A server named `s0`, `s1`, ... at an address of the same number.
pub fn server(number: usize, weight: u16) -> Server {
    Server {
        name: format!("s{number}"),
        address: format!("10.0.{}.{}:80", number / 256, number % 256),
        weight,
        priority: 0,
        requests_max: 0,
        checked: true,
        cookie: String::new(),
        state: AdminState::Ready,
    }
}

/// A pool of these servers.
pub fn pool_of(algorithm: &'static str, servers: Vec<Server>) -> Pool {
    let balance = Balance { algorithm, key: HashKey::Source, choices: 2, load_factor_percent: 0 };
    Pool {
        name: "pool".to_string(),
        mode: Mode::Http,
        balance,
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
        check: None,
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

/// A pool of servers `s0`, `s1`, ... of these weights.
pub fn pool(algorithm: &'static str, weights: &[u16]) -> Pool {
    let servers = weights.iter().enumerate().map(|(number, &weight)| server(number, weight));
    pool_of(algorithm, servers.collect())
}

/// Idle candidates of these weights.
pub fn candidates(weights: &[u16]) -> Vec<Candidate> {
    let idle = |&weight| Candidate {
        usable: true,
        weight: u32::from(weight) * WEIGHT_ONE,
        ..Candidate::default()
    };
    weights.iter().map(idle).collect()
}

/// One core's balancer of a pool, told of its candidates.
pub fn balancer(pool: &Pool, candidates: &[Candidate]) -> Box<dyn Balancer> {
    let mut balancer = Blueprint::new(pool).balancer(0, 1);
    balancer.update(candidates);
    balancer
}

/// A request of this hash that has not been tried anywhere.
pub fn request(candidates: &[Candidate], hash: u64) -> Request<'_> {
    Request { candidates, tried: &[], hash }
}

/// Fails unless each server got its share of `picks` by weight, within 5 standard deviations.
pub fn assert_by_weight(counts: &[u32], weights: &[u16]) {
    let picks = f64::from(counts.iter().sum::<u32>());
    let total = f64::from(weights.iter().map(|&weight| u32::from(weight)).sum::<u32>());
    for (&count, &weight) in counts.iter().zip(weights) {
        let share = f64::from(weight) / total;
        let deviation = (picks * share * (1.0 - share)).sqrt();
        let off = (f64::from(count) - picks * share).abs();
        assert!(off <= 5.0 * deviation, "{counts:?} for weights {weights:?}");
    }
}
