//! The `ringlet-server` program: reads the configuration and runs the server.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use ringlet_runtime::memory::CountingAllocator;
use ringlet_runtime::preflight;
use ringlet_server::config::lines::{self, Invocation};
use ringlet_server::config::load;
use ringlet_server::{command, help, logging, process};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    match lines::parse_arguments(std::env::args_os().skip(1)) {
        Ok(Invocation::Help) => say(help::USAGE),
        Ok(Invocation::Version) => say(&help::version()),
        Ok(Invocation::GenerateDocs) => say(&command::docs::markdown()),
        Ok(Invocation::Check) => {
            let report = preflight::check();
            let said = say(&report.to_string());
            if report.is_ok() { said } else { ExitCode::FAILURE }
        }
        Ok(Invocation::Serve(sources)) => match load::load(&sources) {
            Ok(config) => serve(config),
            Err(error) => fail(&error.to_string()),
        },
        Err(error) => fail(&error.to_string()),
    }
}

fn serve(config: ringlet_server::config::Config) -> ExitCode {
    if let Err(error) = logging::start(&config) {
        return fail(&error);
    }
    let has_log_file = !config.log_file.is_empty();
    match process::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if has_log_file {
                tracing::error!("{error}");
            }
            fail(&error)
        }
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
