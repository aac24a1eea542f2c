//! Weighted round-robin, by what real servers have served.

use crate::harness::{Balancer, Client};
use crate::nginx::Nginx;

const WEIGHTS: [(&str, u32); 3] = [("a", 5), ("b", 1), ("c", 1)];

/// Who answers requests that come one after the other, each over the next of so many connections.
fn served(cores: usize, connections: usize, requests: usize) -> String {
    let servers = WEIGHTS.map(|(name, _)| Nginx::start(name));
    let described: Vec<String> = WEIGHTS
        .iter()
        .zip(&servers)
        .map(|((_, weight), nginx)| format!("{} weight={weight}", nginx.address))
        .collect();
    let balancer = Balancer::http(cores, &described, "balance = \"round-robin\"");
    let mut clients: Vec<Client> = (0..connections).map(|_| balancer.connect()).collect();
    let mut names = String::new();
    for request in 0..requests {
        let answer = clients[request % connections].get("/name").expect("an answer");
        assert_eq!(answer.status, 200);
        names.push_str(&String::from_utf8_lossy(&answer.body));
    }
    for ((name, _), nginx) in WEIGHTS.iter().zip(&servers) {
        let logged = nginx.log().len();
        // The last one answers before it logs.
        let said = names.matches(name).count();
        assert!(logged == said || logged + 1 == said, "{name}: {logged} logged, {said} answered");
    }
    names
}

#[test]
fn it_is_exact_on_one_core() {
    assert_eq!(served(1, 5, 70), "aabacaa".repeat(10));
}

#[test]
fn it_is_nearly_exact_over_four_cores() {
    let names = served(4, 28, 700);
    for (name, weight) in WEIGHTS {
        let (count, expected) = (names.matches(name).count(), 100 * weight as usize);
        // Every core has its own rounds, and each may have begun one that it has not ended.
        assert!(count.abs_diff(expected) <= 8, "{name} has served {count} of 700");
    }
}
