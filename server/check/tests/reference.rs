//! Job: show that the checker raises no false alarm: Redis itself, with one thread, keeps every
//! promise of the contract, so every workload must pass on it.
//! In: `redis-server` of the system (Debian package redis-server). Out: test results.

use std::time::Duration;

use ringlet_check::process::ServerBinary;
use ringlet_check::workload::{ALL, Stage};

const SEED: u64 = 20_240_801;

#[test]
fn redis_passes_every_workload() {
    let server = ServerBinary::at("redis-server").start(1, &[]).expect("redis-server starts");
    for workload in ALL {
        let stage = Stage::new(server.address(), 4, SEED, Duration::from_millis(1500));
        match (workload.run)(&stage) {
            Ok(summary) => {
                println!("{}: {} requests {}", workload.name, summary.requests, summary.note);
                assert!(summary.requests > 100, "{} did next to nothing", workload.name);
            }
            Err(failure) => panic!("{} with seed {SEED}: {failure}", workload.name),
        }
    }
}
