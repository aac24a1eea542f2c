//! One limiter: engines of its cores, a clock, connections.
//!
//! Job: hold what a process has. In: the scenario. Out: a node. Invariant: all its engines have one clock
//! and one set of rules, but for the moments of a reload.

use std::sync::Arc;

use ringlet_base::random::Random;
use ringlet_limit::algorithm::algorithm_by_name;
use ringlet_limit::engine::{Engine, EngineSettings};
use ringlet_limit::lease::LeaseSettings;
use ringlet_limit::model::{
    Calendar, CalendarUnit, KeyPart, Limit, Mode, OnStoreFailure, Rule, Rules,
};
use ringlet_limit::rules::RuleSet;

use crate::clock::Clock;
use crate::network::Connection;
use crate::scenario::{Kind, RuleNumbers, Scenario};

/// Names of the two rules.
pub const RULE_NAMES: [&str; 2] = ["first", "second"];

#[derive(Debug)]
pub struct Node {
    pub engines: Vec<Engine>,
    pub connections: Vec<Connection>,
    pub clock: Clock,
    pub rules: Arc<RuleSet>,
    pub hash_seed: u64,
    pub reloads: u64,
    /// Takes requests.
    pub is_open: bool,
    /// Runs.
    pub is_alive: bool,
    /// When the last message from one core to another arrives.
    pub arrivals_ns: Vec<Vec<u64>>,
}

impl Node {
    pub fn new(scenario: &Scenario, random: &mut Random, reloads: u64) -> Self {
        let rules = rules(scenario, reloads);
        let hash_seed = random.next_u64();
        let rules = Arc::new(RuleSet::compile(&rules, None, hash_seed).expect("rules"));
        let cores = scenario.cores;
        let engine = |core| {
            let settings = EngineSettings {
                core,
                cores,
                keys_max: 1024,
                leases_max: 256,
                has_store: scenario.has_store(),
                lease: LeaseSettings {
                    renew_ms: scenario.renew_ms,
                    held_per_mille: scenario.held_per_mille,
                    ttl_ms: scenario.ttl_ms,
                    prefix: "rl".to_owned(),
                },
            };
            Engine::new(settings, Arc::clone(&rules))
        };
        let drift_ppm = if scenario.has_store() { scenario.drift_ppm } else { 0 };
        Self {
            engines: (0..cores).map(engine).collect(),
            connections: vec![Connection::open(); cores],
            clock: Clock::new(random, drift_ppm),
            rules,
            hash_seed,
            reloads,
            is_open: true,
            is_alive: true,
            arrivals_ns: vec![vec![0; cores]; cores],
        }
    }

    /// The rules after one more reload.
    pub fn reload(&mut self, scenario: &Scenario, hash_seed: u64) -> Arc<RuleSet> {
        self.reloads += 1;
        let rules = rules(scenario, self.reloads);
        let rules = RuleSet::compile(&rules, Some(&self.rules), hash_seed).expect("rules");
        self.rules = Arc::new(rules);
        Arc::clone(&self.rules)
    }
}

/// After so many reloads the second rule's limit is that much higher.
pub fn numbers_after(numbers: RuleNumbers, reloads: u64) -> RuleNumbers {
    let count = numbers.count + reloads;
    let is_window = matches!(numbers.algorithm, "fixed-window" | "sliding-window" | "calendar");
    RuleNumbers { count, burst: if is_window { count } else { numbers.burst }, ..numbers }
}

fn rules(scenario: &Scenario, reloads: u64) -> Rules {
    let second = numbers_after(scenario.rules[1], reloads);
    let rule = |name: &str, numbers: RuleNumbers| {
        let is_calendar = numbers.algorithm == "calendar";
        let limit = Limit {
            algorithm: algorithm_by_name(numbers.algorithm).expect("algorithm"),
            count: numbers.count,
            period_ns: numbers.period_ms * 1_000_000,
            burst: numbers.burst,
            calendar: is_calendar
                .then_some(Calendar { unit: CalendarUnit::Minute, zone: jiff::tz::TimeZone::UTC }),
        };
        Arc::new(Rule {
            name: name.to_owned(),
            domain: None,
            conditions: Vec::new(),
            descriptor: None,
            key: vec![KeyPart::Header("key".to_owned())],
            limit: Some(limit),
            cost: 1,
            is_shadow: false,
            is_quota: false,
            mode: match scenario.credit {
                0 => Mode::Hard,
                credit => Mode::Soft { credit },
            },
            on_store_failure: match scenario.kind {
                Kind::Outage => OnStoreFailure::Share,
                _ if scenario.is_closed => OnStoreFailure::Closed,
                _ => OnStoreFailure::Share,
            },
            is_local: false,
        })
    };
    let [first_name, second_name] = RULE_NAMES;
    let rules = vec![rule(first_name, scenario.rules[0]), rule(second_name, second)];
    Rules { rules, ..Rules::default() }
}
