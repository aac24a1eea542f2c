//! Job: a short differential run against redis-server with 1, 2 and 4 shards.
//! In: the server that cargo built (or `RINGLET_SERVER_BINARY`), `redis-server` 7.0 on the path,
//! `RINGLET_SEED` to repeat a run, `RINGLET_DIFFERENTIAL_SECONDS` for each number of shards.
//! Out: test results; a failure prints the seed and a short stream that shows it.
//! Long runs: `cargo run --release -p ringlet-check -- differential --seconds 600`.

use std::time::Duration;

use ringlet_check::differential::{self, Bounds, fixed, player::Pair, publish, raw};
use ringlet_check::process::{Launch, RunningServer, ServerBinary};
use ringlet_check::random::{Choices, seed};

const DEFAULT_SECONDS: u64 = 15;
const SHRINK_SECONDS: u64 = 10;
const PUBLISH_ROUNDS: usize = 15;

fn tested(shards: usize) -> RunningServer {
    tested_with(shards, &[])
}

fn tested_with(shards: usize, options: &[&str]) -> RunningServer {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(shards) };
    binary.launch(&launch).unwrap_or_else(|error| panic!("{error}"))
}

fn redis(options: &[&str]) -> RunningServer {
    let launch = Launch { options: options.to_vec(), ..Launch::with_shards(1) };
    ServerBinary::at("redis-server")
        .launch(&launch)
        .unwrap_or_else(|error| panic!("{error} (apt-get install redis-server)"))
}

fn pair(reference: &RunningServer, tested: &RunningServer) -> Pair {
    Pair { reference: reference.wire_address(), tested: tested.wire_address() }
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

fn bounds() -> Bounds {
    let seconds = number_from("RINGLET_DIFFERENTIAL_SECONDS").unwrap_or(DEFAULT_SECONDS);
    Bounds {
        seed: seed(),
        time: Duration::from_secs(seconds),
        rounds_max: u64::MAX,
        mismatches_max: 3,
        shrink_time: Duration::from_secs(SHRINK_SECONDS),
        skip: Vec::new(),
        blocking: true,
    }
}

fn random_streams_agree(shards: usize) {
    let bounds = bounds();
    let (reference, tested) = (redis(&[]), tested(shards));
    let report = differential::run(&pair(&reference, &tested), &bounds);
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.commands > 1000, "next to nothing was compared: {report}");
}

#[test]
fn random_streams_agree_on_one_shard() {
    random_streams_agree(1);
}

#[test]
fn random_streams_agree_on_two_shards() {
    random_streams_agree(2);
}

#[test]
fn random_streams_agree_on_four_shards() {
    random_streams_agree(4);
}

#[test]
fn bytes_that_are_no_commands_are_answered_alike() {
    let (reference, tested) = (redis(&[]), tested(2));
    if let Err(mismatches) = raw::play(&pair(&reference, &tested)) {
        let texts: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
        panic!("{}", texts.join("\n"));
    }
}

#[test]
fn lines_about_the_server_are_answered_alike() {
    let options = ["--enable-debug-command", "yes"];
    let (reference, tested) = (redis(&options), tested_with(2, &options));
    match fixed::play(&pair(&reference, &tested)) {
        Ok(agreed) => assert!(agreed > 400, "only {agreed} replies were compared"),
        Err(mismatches) => {
            let texts: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
            panic!("{}", texts.join("\n"));
        }
    }
}

#[test]
fn subscribers_see_the_same_messages() {
    let (reference, tested) = (redis(&[]), tested(4));
    let pair = pair(&reference, &tested);
    let mut choices = Choices::new(seed());
    for _ in 0..PUBLISH_ROUNDS {
        if let Err(mismatch) = publish::play(&pair, &mut choices) {
            panic!("{mismatch}");
        }
    }
}

#[test]
fn every_command_of_the_server_is_compared_or_has_a_reason() {
    let server = tested(1);
    let rows = differential::table::rows();
    let names = server.connect().call(&["COMMAND", "LIST"]).expect("COMMAND LIST").into_items();
    assert!(names.len() > 100, "{} commands", names.len());
    let missing: Vec<String> = names
        .iter()
        .map(|name| name.text())
        .filter(|name| !differential::table::is_accounted_for(&rows, name))
        .collect();
    assert!(
        missing.is_empty(),
        "neither row nor reason in differential/table.rs: {}",
        missing.join(" ")
    );
}

/// Shows that the check can fail: the tested server is a redis-server with LPOP and RPOP exchanged.
#[test]
fn a_planted_difference_is_found_and_shrunk() {
    let renamed = ["LPOP PARKED", "RPOP LPOP", "PARKED RPOP"];
    let renamed: Vec<&str> = renamed
        .iter()
        .flat_map(|names| ["--rename-command"].into_iter().chain(names.split(' ')))
        .collect();
    let (reference, tested) = (redis(&[]), redis(&renamed));
    let bounds = Bounds { seed: 1, mismatches_max: 1, time: Duration::from_secs(60), ..bounds() };
    let report = differential::run(&pair(&reference, &tested), &bounds);
    let finding = report.findings.values().next().expect("the difference is found");
    assert!(finding.steps.len() <= 12, "not shrunk: {finding}");
}
