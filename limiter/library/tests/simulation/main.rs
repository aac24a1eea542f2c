//! The limiter as a whole, in a simulated world.
//!
//! Job: run the engines of several nodes with a store, a network and clients that are all simulated, and
//! hold every admission against the bounds. In: `RINGLET_SEED`, from which all runs follow;
//! `RINGLET_SIMULATION=SEED` runs one of them and tells everything. Out: the first run that went wrong.
//! Invariant: nothing here waits or reads a clock.

mod bucket;
mod clock;
mod judge;
mod ledger;
mod network;
mod node;
mod planted;
mod scenario;
mod store;
mod traffic;
mod wire;
mod world;

use std::hash::{BuildHasher, RandomState};

use planted::{PLANTED, Planted};
use scenario::Scenario;
use world::World;

/// Runs without a planted bug.
const RUNS: u64 = 3000;
/// Runs within which a planted bug must be noticed.
const PLANTED_RUNS: u64 = 300;

fn seed() -> u64 {
    let seed = match std::env::var("RINGLET_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("RINGLET_SEED={text} is no number")),
        Err(_) => RandomState::new().hash_one("seed"),
    };
    println!("RINGLET_SEED={seed}");
    seed
}

fn run(scenario: Scenario, planted: Planted) -> Result<judge::Judge, String> {
    World::new(scenario, planted, false).run()
}

#[test]
fn every_run_keeps_the_bounds() {
    if let Ok(text) = std::env::var("RINGLET_SIMULATION") {
        let seed =
            text.parse().unwrap_or_else(|_| panic!("RINGLET_SIMULATION={text} is no number"));
        let scenario = Scenario::new(seed);
        println!("{scenario:#?}");
        let outcome = World::new(scenario, Planted::None, true).run();
        outcome.unwrap_or_else(|what| panic!("{what}"));
        return;
    }
    let first = seed();
    let (mut checks, mut allowed) = (0, 0);
    for seed in (0..RUNS).map(|run| first.wrapping_add(run)) {
        let scenario = Scenario::new(seed);
        match run(scenario.clone(), Planted::None) {
            Ok(judge) => {
                checks += judge.checks;
                allowed += judge.allowed;
            }
            Err(what) => panic!("{what}\nRINGLET_SIMULATION={seed} tells all of it: {scenario:?}"),
        }
    }
    println!("{RUNS} runs, {checks} checks, {allowed} allowed");
    assert!(allowed > RUNS && allowed < checks, "the runs show nothing");
}

#[test]
fn planted_bugs_are_noticed() {
    let first = seed();
    for planted in PLANTED {
        let seeds = (0..u64::MAX).map(|run| first.wrapping_add(run));
        let scenarios = seeds.map(|seed| planted.shaped(Scenario::new(seed)));
        let scenarios = scenarios.filter(|scenario| planted.kinds().contains(&scenario.kind));
        let runs = scenarios.take(PLANTED_RUNS as usize).enumerate();
        let noticed = runs.filter_map(|(number, scenario)| {
            let what = run(scenario.clone(), planted).err()?;
            let sound = run(scenario, Planted::None).err();
            assert_eq!(sound, None, "without {planted:?}, which found: {what}");
            planted.signs().iter().any(|sign| what.contains(sign)).then_some((number, what))
        });
        let (number, what) = { noticed }
            .next()
            .unwrap_or_else(|| panic!("{planted:?} is not noticed in {PLANTED_RUNS} runs"));
        println!("{planted:?}: noticed in run {number}: {what}");
    }
}
