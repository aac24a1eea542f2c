//! Job: the long checks of the data server from the command line.
//! In: which check, its bounds, the binaries. Out: findings, and a last line of counts for scripts.
//! Invariant: exit code 0 only when nothing failed; every server that was started has ended.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use ringlet_check::differential::{self, Bounds, player::Pair};
use ringlet_check::process::{Launch, RunningServer, ServerBinary, StartError};
use ringlet_check::random::{self, Choices};

/// Checks of ringlet-server from outside.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    check: Check,
}

#[derive(Debug, Subcommand)]
enum Check {
    /// Sends the same random commands to redis-server and to the server under test.
    Differential {
        /// The server under test; without it the variable RINGLET_SERVER_BINARY.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// The reference.
        #[arg(long, default_value = "redis-server")]
        reference: PathBuf,
        /// Shards of the server under test.
        #[arg(long, default_value_t = 2)]
        shards: usize,
        /// Seed of the first round; without it the variable RINGLET_SEED, or the time.
        #[arg(long)]
        seed: Option<u64>,
        /// Seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Most rounds.
        #[arg(long, default_value_t = u64::MAX)]
        rounds: u64,
        /// Distinct mismatches after which to stop.
        #[arg(long, default_value_t = 10)]
        mismatches: usize,
        /// Seconds to shorten each mismatch.
        #[arg(long, default_value_t = 10)]
        shrink_seconds: u64,
        /// First words of commands to leave out, such as `LCS,OBJECT FREQ`.
        #[arg(long, value_delimiter = ',')]
        skip: Vec<String>,
        /// Leave out the rounds with commands that block.
        #[arg(long)]
        without_blocking: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().check {
        Check::Differential {
            binary,
            reference,
            shards,
            seed,
            seconds,
            rounds,
            mismatches,
            shrink_seconds,
            skip,
            without_blocking,
        } => {
            let tested = binary
                .map_or_else(|| ServerBinary::from_environment("ringlet-server"), ServerBinary::at);
            let bounds = Bounds {
                seed: seed.unwrap_or_else(random::seed),
                time: Duration::from_secs(seconds),
                rounds_max: rounds,
                mismatches_max: mismatches,
                shrink_time: Duration::from_secs(shrink_seconds),
                skip,
                blocking: !without_blocking,
            };
            match differential(&ServerBinary::at(reference), &tested, shards, &bounds) {
                Ok(code) => code,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::from(2)
                }
            }
        }
    }
}

fn differential(
    reference: &ServerBinary,
    tested: &ServerBinary,
    shards: usize,
    bounds: &Bounds,
) -> Result<ExitCode, StartError> {
    println!("seed {}, {shards} shards", bounds.seed);
    let start = |binary: &ServerBinary| binary.launch(&Launch::with_shards(shards));
    let (reference, tested): (RunningServer, RunningServer) = (start(reference)?, start(tested)?);
    let pair = Pair { reference: reference.wire_address(), tested: tested.wire_address() };

    let raw = differential::raw::play(&pair);
    for mismatch in raw.as_ref().err().into_iter().flatten() {
        println!("MISMATCH of raw bytes\n{mismatch}");
    }
    let mut choices = Choices::new(bounds.seed);
    let published = (0..20).try_for_each(|_| differential::publish::play(&pair, &mut choices));
    if let Err(mismatch) = &published {
        println!("MISMATCH of subscriptions\n{mismatch}");
    }
    let report = differential::run(&pair, bounds);
    println!("{report}");
    let failures = [raw.is_err(), published.is_err(), !report.findings.is_empty()];
    let failed = failures.iter().filter(|&&failure| failure).count();
    println!("{} passed, {failed} failed", failures.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
