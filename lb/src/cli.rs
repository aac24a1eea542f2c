//! The command line.
//!
//! Job: say what the program is asked to do. In: arguments. Out: an [`Invocation`], or clap's
//! message. Invariant: an address, a name or a number that cannot be right is refused here, with
//! the option that holds it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::balance::{ALGORITHM_DEFAULT, ALGORITHMS};
use crate::config::{self, CORES_MAX, LOG_FORMATS, MODES, Options, Problems, Source};
use crate::model::{CheckKind, LogFormat, Mode};

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    /// To run.
    Run(Source),
    /// To check a file and print what it means.
    Check(PathBuf),
    /// To say whether this machine can run it.
    Preflight,
    /// To show the state of one that runs.
    Top {
        /// Where its admin page is.
        address: String,
        /// One frame only.
        once: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  ringlet-lb --listen :8080 --to 10.0.0.1:9000 --to 10.0.0.2:9000 --check /health
  ringlet-lb --listen :6379 --to 10.0.0.1:6379 --mode tcp --balance first
  ringlet-lb /etc/ringlet/lb.toml
  ringlet-lb check /etc/ringlet/lb.toml
  ringlet-lb top 127.0.0.1:8404

A file that is called like a command is written with its folder: ./check";

/// A load balancer for HTTP and TCP, one core at a time.
#[derive(Parser)]
#[command(name = "ringlet-lb", version, about, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Check a configuration file and print all that it means, defaults included
    Check {
        /// The configuration file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Say whether this machine can run it, and what to do if not
    Preflight,
    /// Show pools, servers and listeners of a running ringlet-lb, anew each second
    Top {
        /// What it was given as --admin
        #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:8404", value_parser = config::tcp_bind_address)]
        address: String,
        /// Print one frame and end
        #[arg(long)]
        once: bool,
    },
}

#[derive(Args)]
struct Run {
    /// The configuration file
    #[arg(value_name = "FILE", conflicts_with_all = WITHOUT_FILE)]
    file: Option<PathBuf>,
    /// Where clients come in: HOST:PORT, :PORT for all addresses, or unix:PATH; repeatable
    #[arg(long, value_name = "ADDRESS", value_parser = config::bind_address, requires = "to")]
    listen: Vec<String>,
    /// A server: HOST:PORT or unix:PATH; repeatable
    #[arg(long, value_name = "ADDRESS", value_parser = config::address, requires = "listen")]
    to: Vec<String>,
    /// What is spoken: http or tcp
    #[arg(long, value_name = "MODE", value_parser = mode, default_value = "http")]
    mode: Mode,
    #[arg(long, value_name = "NAME", help = balance_help(), default_value = ALGORITHM_DEFAULT)]
    #[arg(value_parser = config::algorithm_name)]
    balance: &'static str,
    /// Check servers every 2 s: a path to GET, tcp to connect, or resp to PING
    #[arg(long, value_name = "PATH", value_parser = config::check_kind)]
    check: Option<CheckKind>,
    /// Log requests to standard output: common, combined or json
    #[arg(long, value_name = "FORMAT", value_parser = log_format)]
    log: Option<LogFormat>,
    /// Where the admin page and /metrics are
    #[arg(long, value_name = "ADDRESS", value_parser = config::tcp_bind_address)]
    admin: Option<String>,
    /// Cores to run on; 0 for all that the process may use
    #[arg(long, value_name = "N", value_parser = cores)]
    cores: Option<usize>,
}

/// Options that say what a file says.
const WITHOUT_FILE: [&str; 6] = ["listen", "to", "mode", "balance", "check", "log"];

fn balance_help() -> String {
    let names: Vec<&str> = ALGORITHMS.iter().map(|algorithm| algorithm.name).collect();
    format!("How servers are chosen: {}", names.join(", "))
}

fn mode(text: &str) -> Result<Mode, String> {
    config::choice(text, &MODES)
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    config::choice(text, &LOG_FORMATS)
}

fn cores(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number <= CORES_MAX);
    number.ok_or_else(|| format!("not a number from 0 to {CORES_MAX}"))
}

/// Reads the arguments of a program, of which the first is its name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let Arguments { command, run } = Arguments::try_parse_from(arguments)?;
    Ok(match command {
        Some(Command::Check { file }) => Invocation::Check(file),
        Some(Command::Preflight) => Invocation::Preflight,
        Some(Command::Top { address, once }) => Invocation::Top { address, once },
        None => Invocation::Run(source(run)?),
    })
}

fn source(run: Run) -> Result<Source, clap::Error> {
    let Run { file, listen, to, mode, balance, check, log, admin, cores } = run;
    if let Some(path) = file {
        return Ok(Source::File { path, cores, admin });
    }
    if listen.is_empty() {
        use clap::CommandFactory;
        return Err(Arguments::command().error(
            clap::error::ErrorKind::MissingRequiredArgument,
            "either a FILE or --listen and --to are needed",
        ));
    }
    let cores = cores.unwrap_or(0);
    Ok(Source::Options(Options { listen, to, mode, balance, check, log, admin, cores }))
}

/// What is wrong with a configuration, for a terminal: each problem on a line of its own, after the
/// name of what was read.
#[must_use]
pub fn problem_text(source: &Source, problems: &Problems) -> String {
    let mut lines: Vec<String> =
        problems.iter().map(|problem| format!("{source}: {problem}")).collect();
    if let Source::File { path, .. } = source {
        lines.extend(command_meant(path));
    }
    lines.join("\n")
}

/// What to say about a file that is not there and whose name looks like a command.
fn command_meant(path: &Path) -> Option<String> {
    let name = path.to_str().filter(|name| !name.contains(['/', '.']) && !path.exists())?;
    let meant = config::nearest(name, ["check", "preflight", "top", "help"])?;
    Some(format!("did you mean the command `ringlet-lb {meant}`?"))
}
