//! Job: make load, and compare the Ringlet servers with their peers on this machine.
//! In: the command line. Out: what was measured, as tables, JSON and pages.
//! Invariant: a slow server is a finding, not a failure: the exit code is 0 whenever the
//! measurements could be taken.
#![forbid(unsafe_code)]

mod child;
mod compare;
mod compare_command;
mod data_server;
mod generator;
mod http;
mod interruption;
mod lb;
mod limiter;
mod load_command;
mod loader;
mod machine;
mod memory;
mod nginx;
mod priority;
mod process;
mod redis_benchmark;
mod report;
mod scaling;
mod server;
mod session;
mod shell;
mod wrk;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ringlet_runtime::memory::CountingAllocator;

/// What the limiter's library is measured with is what it runs with in the products.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Load generation, and side-by-side comparison of the Ringlet servers with their peers.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Put load on one server and measure what comes back.
    Load(Box<load_command::Arguments>),
    /// Compare any systems by any load, as a file says.
    Compare(compare_command::Arguments),
    /// Compare ringlet-server with redis-server.
    Server(server::Arguments),
    /// Compare the memory of ringlet-server with redis-server's.
    Memory(memory::Arguments),
    /// Compare ringlet-lb with HAProxy and nginx.
    Lb(lb::Arguments),
    /// Compare ringlet-limiter with redis-server and nginx.
    Limiter(limiter::Arguments),
    /// Split the cost of ringlet-server's requests and predict its throughput on many cores.
    Scaling(scaling::Arguments),
    /// Make one page of what the suites wrote, and say which targets are reached.
    Report(report::command::Arguments),
}

fn main() -> ExitCode {
    let subject = Arguments::parse().subject;
    // Load ends in its own way, with what it has measured.
    if !matches!(subject, Subject::Load(_))
        && let Err(error) = interruption::prepare()
    {
        eprintln!("ringlet-bench: {error}");
        return ExitCode::FAILURE;
    }
    let result = match subject {
        Subject::Load(arguments) => return load_command::run(&arguments),
        Subject::Compare(arguments) => compare_command::run(&arguments),
        Subject::Server(arguments) => server::compare(&arguments),
        Subject::Memory(arguments) => memory::compare(&arguments),
        Subject::Lb(arguments) => lb::compare(&arguments),
        Subject::Limiter(arguments) => limiter::compare(&arguments),
        Subject::Scaling(arguments) => scaling::measure(&arguments),
        Subject::Report(arguments) => report::command::run(&arguments),
    };
    // Where an interruption is at work it ended what failed, and says so itself.
    let _not_interrupted = interruption::starting();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringlet-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
