//! The `ringlet-limiter` program: reads the configuration and runs the limiter.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use ringlet_limiter::cli::{self, Invocation};
use ringlet_limiter::config::{self, Source};
use ringlet_limiter::origin::Origin;
use ringlet_limiter::{import, process};
use ringlet_runtime::admin::top;
use ringlet_runtime::memory::CountingAllocator;
use ringlet_runtime::preflight;

/// Buffers of all sizes come and go with every question.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(Invocation::Run(source)) => start(source),
        Ok(Invocation::Check(path)) => check(&Source::File { path, cores: None, admin: None }),
        Ok(Invocation::ImportEnvoy(paths)) => answer(import::envoy_files(&paths)),
        Ok(Invocation::ImportNginx(path)) => answer(import::nginx_file(&path)),
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

/// Runs the limiter. SIGHUP reads the same source again.
fn start(source: Source) -> ExitCode {
    let hint = cli::hint(&source);
    let origin = Origin::new(source);
    let configuration = match origin.load() {
        Ok(configuration) => configuration,
        Err(error) => return fail_with(&error, hint),
    };
    // A line that cannot be written is lost: to complain about that on the same standard error would
    // panic the thread that logs, a core among them.
    tracing_subscriber::fmt().with_writer(std::io::stderr).log_internal_errors(false).init();
    match process::run(&configuration, origin) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Prints what a file means, or what is wrong with it.
fn check(source: &Source) -> ExitCode {
    match source.load() {
        Ok(configuration) => say(&config::effective(&configuration)),
        Err(problems) => fail_with(&config::problem_text(source, &problems), cli::hint(source)),
    }
}

fn answer(result: Result<String, String>) -> ExitCode {
    match result {
        Ok(text) => say(&text),
        Err(error) => fail(&error),
    }
}

/// Prints to standard output; a reader that is gone is no failure.
fn say(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// The second is said on a line of its own.
fn fail_with(error: &str, hint: Option<String>) -> ExitCode {
    fail(&hint.map_or_else(|| error.to_owned(), |hint| format!("{error}\n{hint}")))
}

fn fail(error: &str) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
