//! The `ringlet-lb` program: reads the configuration and runs the balancer.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use ringlet_lb::cli::{self, Invocation};
use ringlet_lb::config::{self, Source};
use ringlet_lb::process;
use ringlet_runtime::admin::top;
use ringlet_runtime::memory::CountingAllocator;
use ringlet_runtime::preflight;

/// Buffers of all sizes come and go with every request.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(Invocation::Run(source)) => start(source),
        Ok(Invocation::Check(path)) => check(&Source::File { path, cores: None, admin: None }),
        Ok(Invocation::Preflight) => {
            let report = preflight::check();
            let said = say(&report.to_string());
            if report.is_ok() { said } else { ExitCode::FAILURE }
        }
        Ok(Invocation::Top { address, once }) => match top::run(&address, once) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        // Prints help and version to standard output, errors to standard error.
        Err(error) => error.exit(),
    }
}

/// Runs the balancer. SIGHUP reads the same source again.
fn start(source: Source) -> ExitCode {
    let configuration = match source.load() {
        Ok(configuration) => configuration,
        Err(problems) => return fail(&cli::problem_text(&source, &problems)),
    };
    // A line that cannot be written is lost: to complain about that on the same standard error would
    // panic the thread that logs, a core among them.
    tracing_subscriber::fmt().with_writer(std::io::stderr).log_internal_errors(false).init();
    let reload = move || source.load().map_err(|problems| cli::problem_text(&source, &problems));
    match process::run(&configuration, Box::new(reload)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Prints what a file means, or what is wrong with it.
fn check(source: &Source) -> ExitCode {
    match source.load() {
        Ok(configuration) => say(&config::effective(&configuration)),
        Err(problems) => fail(&cli::problem_text(source, &problems)),
    }
}

/// Prints to standard output; a reader that is gone is no failure.
fn say(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(error: &str) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
