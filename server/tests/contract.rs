//! Job: hold the server to its contract: linearizable keys, strictly serializable multi-key
//! commands and transactions, program order inside pipelines, WATCH, blocking pops in order.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), with more shards than CPUs;
//! `RINGLET_SEED` repeats a run, `RINGLET_CONTRACT_SECONDS` is the time for each workload,
//! `RINGLET_CONTRACT_ONLY` names a single one.
//! Out: test results; a failure names the seed and the requests that break a promise.
//!
//! With the feature `planted-bugs` the server reads from `RINGLET_PLANTED_BUG` which of its own
//! rules it breaks, and the tests demand that the same workloads notice:
//! `cargo test -p ringlet-server --features planted-bugs --test contract planted`.

use std::time::Duration;

use ringlet_check::process::{RunningServer, ServerBinary};
use ringlet_check::random::seed;
use ringlet_check::workload::{ALL, Failure, Stage, Workload};

const DEFAULT_SECONDS: u64 = 5;

fn start(shards: usize, environment: &[(&str, &str)]) -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    binary.start(shards, environment).unwrap_or_else(|error| panic!("{error}"))
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

fn drive(
    server: &mut RunningServer,
    workload: &Workload,
    shards: usize,
    seed: u64,
    duration: Duration,
) -> Result<(), Failure> {
    let stage = Stage::new(server.address(), shards, seed, duration);
    let summary = (workload.run)(&stage)?;
    println!(
        "{} with {shards} shards: {} requests kept the contract. {}",
        workload.name, summary.requests, summary.note
    );
    assert!(summary.requests > 100, "{} did next to nothing", workload.name);
    let ended = server.ended().expect("the child can be asked");
    assert!(ended.is_none(), "the server ended during {}: {ended:?}", workload.name);
    Ok(())
}

fn keeps_the_contract(shards: usize) {
    let seed = seed();
    let duration =
        Duration::from_secs(number_from("RINGLET_CONTRACT_SECONDS").unwrap_or(DEFAULT_SECONDS));
    let only = std::env::var("RINGLET_CONTRACT_ONLY").ok();
    let mut failures = Vec::new();
    for workload in ALL.iter().filter(|w| only.as_ref().is_none_or(|only| only == w.name)) {
        let mut server = start(shards, &[]);
        if let Err(failure) = drive(&mut server, workload, shards, seed, duration) {
            failures.push(format!("{} with {shards} shards: {failure}", workload.name));
        }
    }
    assert!(failures.is_empty(), "RINGLET_SEED={seed}\n{}", failures.join("\n\n"));
}

#[test]
fn the_contract_holds_with_4_shards() {
    keeps_the_contract(4);
}

#[test]
fn the_contract_holds_with_8_shards() {
    keeps_the_contract(8);
}

#[cfg(feature = "planted-bugs")]
mod planted {
    use super::*;

    const SHARDS: usize = 4;
    const SECONDS_PER_WORKLOAD: u64 = 3;
    const MAX_ROUNDS: u64 = 6;

    /// The workloads must notice `bug`: by a broken promise, or because a reply never came.
    fn is_noticed(bug: &str) {
        let seed = seed();
        for round in 0..MAX_ROUNDS {
            for workload in ALL {
                // A server of its own for each: a bug may have left the last one in a bad state.
                let mut server = start(SHARDS, &[("RINGLET_PLANTED_BUG", bug)]);
                let duration = Duration::from_secs(SECONDS_PER_WORKLOAD);
                match drive(&mut server, workload, SHARDS, seed.wrapping_add(round), duration) {
                    Ok(()) => {}
                    Err(Failure::Trouble(what)) => panic!("{} with {bug}: {what}", workload.name),
                    Err(failure) => {
                        return println!("{} noticed {bug}: {failure}", workload.name);
                    }
                }
            }
        }
        panic!("no workload noticed {bug}, RINGLET_SEED={seed}");
    }

    #[test]
    fn planted_no_sequencer() {
        is_noticed("no-sequencer");
    }

    #[test]
    fn planted_publish_before_reserve() {
        is_noticed("publish-before-reserve");
    }

    #[test]
    fn planted_watch_flag() {
        is_noticed("watch-flag");
    }
}
