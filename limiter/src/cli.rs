//! The command line.
//!
//! Job: say what the program is asked to do. In: arguments. Out: an [`Invocation`], or clap's
//! message. Invariant: an address, a rate or a number that cannot be right is refused here, with the
//! option that holds it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use ringlet_base::config::{address, bind_address, nearest, shown, suggestion, tcp_bind_address};
use ringlet_limit::config::{key_part, read_rate};
use ringlet_limit::model::KeyPart;

use crate::config::{
    ADMIN_ADDRESS, CORES_MAX, GRPC_ADDRESS, HTTP_ADDRESS, Options, OptionsRule, RESP_ADDRESS,
    Source,
};

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    /// To run.
    Run(Source),
    /// To check a file and print what it means.
    Check(PathBuf),
    /// To turn files of Envoy's rate limit service into one of ours.
    ImportEnvoy(Vec<PathBuf>),
    /// To turn a configuration of nginx into one of ours.
    ImportNginx(PathBuf),
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
  ringlet-limiter --rate 5/m --by ip
  ringlet-limiter --rate 100/s --by header:x-api-key --store 127.0.0.1:6379
  ringlet-limiter /etc/ringlet/limits.toml
  ringlet-limiter check /etc/ringlet/limits.toml
  ringlet-limiter import envoy config/*.yaml > limits.toml
  ringlet-limiter top 127.0.0.1:8405

A file that is called like a command is written with its folder: ./check";

/// A distributed rate limiter for HTTP, gRPC and RESP, one core at a time.
#[derive(Parser)]
#[command(name = "ringlet-limiter", version, about, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Check a configuration file and print all that it means, with the bounds of each rule
    Check {
        /// The configuration file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the rules of another rate limiter as a configuration file
    Import {
        #[command(subcommand)]
        from: Import,
    },
    /// Say whether this machine can run it, and what to do if not
    Preflight,
    /// Show the rules of a running ringlet-limiter, anew each second
    Top {
        /// What it was given as --admin
        #[arg(value_name = "ADDRESS", default_value = ADMIN_ADDRESS, value_parser = tcp_bind_address)]
        address: String,
        /// Print one frame and end
        #[arg(long)]
        once: bool,
    },
}

#[derive(Subcommand)]
enum Import {
    /// YAML files of Envoy's rate limit service
    Envoy {
        /// The files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// The limit_req directives of a configuration of nginx
    Nginx {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Args)]
struct Run {
    /// The configuration file
    #[arg(value_name = "FILE", conflicts_with_all = WITHOUT_FILE)]
    file: Option<PathBuf>,
    /// Limit all to a rate: 5/m, 100/s, 20/10s
    #[arg(long, value_name = "RATE", value_parser = read_rate)]
    rate: Option<(u64, u64)>,
    /// What the rate is counted by: ip, host, method, path or header:NAME; repeatable
    #[arg(long, value_name = "PART", value_parser = counted_by, requires = "rate")]
    by: Vec<KeyPart>,
    /// Where to speak HTTP: HOST:PORT, :PORT for all addresses, or unix:PATH; repeatable
    #[arg(long, value_name = "ADDRESS", value_parser = bind_address, default_value = HTTP_ADDRESS)]
    listen: Vec<String>,
    /// Where to speak gRPC as Envoy does, or off
    #[arg(long, value_name = "ADDRESS", value_parser = place, default_value = GRPC_ADDRESS)]
    grpc: Place,
    /// Where to speak RESP, or off
    #[arg(long, value_name = "ADDRESS", value_parser = place, default_value = RESP_ADDRESS)]
    resp: Place,
    /// A Redis-compatible server that limiters share
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    store: Option<String>,
    /// Where the admin page and /metrics are, or off
    #[arg(long, value_name = "ADDRESS", value_parser = tcp_place)]
    admin: Option<Place>,
    /// Cores to run on; 0 for all that the process may use
    #[arg(long, value_name = "N", value_parser = cores)]
    cores: Option<usize>,
}

/// Options that say what a file says.
const WITHOUT_FILE: [&str; 6] = ["rate", "by", "listen", "grpc", "resp", "store"];

/// What `--by` takes: no descriptor, as the rule of an option has none to match.
fn counted_by(text: &str) -> Result<KeyPart, String> {
    const PLAIN: [&str; 4] = ["ip", "host", "method", "path"];
    if PLAIN.contains(&text) || text.starts_with("header:") {
        return key_part(text);
    }
    let hint = suggestion(text, PLAIN);
    Err(format!(
        "\"{}\" is none of `ip`, `host`, `method`, `path`, `header:NAME`{hint}",
        shown(text)
    ))
}

/// An address or nowhere.
#[derive(Clone, Debug, PartialEq)]
struct Place(Option<String>);

fn place(text: &str) -> Result<Place, String> {
    if text == "off" { Ok(Place(None)) } else { bind_address(text).map(|at| Place(Some(at))) }
}

fn tcp_place(text: &str) -> Result<Place, String> {
    if text == "off" { Ok(Place(None)) } else { tcp_bind_address(text).map(|at| Place(Some(at))) }
}

fn cores(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number <= CORES_MAX);
    number.ok_or_else(|| format!("not a number from 0 to {CORES_MAX}"))
}

/// Reads the arguments of a program, of which the first is its name.
///
/// # Errors
/// Clap's, which are also its help and its version.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let Arguments { command, run } =
        Arguments::try_parse_from(&arguments).map_err(|error| explained(error, &arguments))?;
    Ok(match command {
        Some(Command::Check { file }) => Invocation::Check(file),
        Some(Command::Import { from: Import::Envoy { files } }) => Invocation::ImportEnvoy(files),
        Some(Command::Import { from: Import::Nginx { file } }) => Invocation::ImportNginx(file),
        Some(Command::Preflight) => Invocation::Preflight,
        Some(Command::Top { address, once }) => Invocation::Top { address, once },
        None => Invocation::Run(source(run)),
    })
}

/// Of a command that is misspelt clap says that the file of such a name conflicts with what follows.
fn explained(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let first = arguments.get(1).filter(|_| {
        matches!(error.kind(), ErrorKind::ArgumentConflict | ErrorKind::UnknownArgument)
    });
    let is_command = |first: &OsString| {
        Arguments::command().get_subcommands().any(|command| *first == *command.get_name())
    };
    let meant = first.filter(|first| !is_command(first));
    match meant.and_then(|first| command_meant(Path::new(first))) {
        Some(hint) => Arguments::command().error(error.kind(), hint),
        None => error,
    }
}

fn source(run: Run) -> Source {
    let Run { file, rate, by, listen, grpc, resp, store, admin, cores } = run;
    if let Some(path) = file {
        return Source::File { path, cores, admin: admin.map(|Place(admin)| admin) };
    }
    let rule = rate.map(|rate| OptionsRule { rate, key: by });
    let Place(admin) = admin.unwrap_or(Place(Some(ADMIN_ADDRESS.to_owned())));
    let (Place(grpc), Place(resp), cores) = (grpc, resp, cores.unwrap_or(0));
    Source::Options(Options { listen, grpc, resp, admin, store, rule, cores })
}

/// What to say beside a failure to read the source: a file that is not there may be a command misspelt.
#[must_use]
pub fn hint(source: &Source) -> Option<String> {
    match source {
        Source::File { path, .. } => command_meant(path),
        Source::Options(_) => None,
    }
}

/// What to say about a file that is not there and whose name looks like a command.
fn command_meant(path: &Path) -> Option<String> {
    let name = path.to_str().filter(|name| !name.contains(['/', '.']) && !path.exists())?;
    let meant = nearest(name, ["check", "import", "preflight", "top", "help"])?;
    Some(format!("did you mean the command `ringlet-limiter {meant}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        std::iter::once("ringlet-limiter")
            .chain(text.split_whitespace())
            .map(OsString::from)
            .collect()
    }

    fn run(text: &str) -> Options {
        match parse(words(text)) {
            Ok(Invocation::Run(Source::Options(options))) => options,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn without_anything_it_runs_on_local_ports() {
        let options = run("");
        assert_eq!(options.listen, [HTTP_ADDRESS]);
        assert_eq!(options.grpc.as_deref(), Some(GRPC_ADDRESS));
        assert_eq!(options.resp.as_deref(), Some(RESP_ADDRESS));
        assert_eq!(options.admin.as_deref(), Some(ADMIN_ADDRESS));
        assert_eq!((options.store, options.rule, options.cores), (None, None, 0));
    }

    #[test]
    fn a_rate_is_a_rule() {
        let options =
            run("--rate 5/m --by ip --by header:X-Key --grpc off --admin off --listen :80");
        let key = vec![KeyPart::ClientIp(32, 64), KeyPart::Header("x-key".to_owned())];
        let rule = options.rule.expect("a rule");
        assert_eq!(rule, OptionsRule { rate: (5, 60_000_000_000), key });
        assert_eq!((options.grpc, options.admin), (None, None));
        assert_eq!(options.listen, ["0.0.0.0:80"]);
    }

    #[test]
    fn commands_and_files_are_told_apart() {
        let is = |text, invocation| assert_eq!(parse(words(text)).ok(), Some(invocation), "{text}");
        is("check a.toml", Invocation::Check("a.toml".into()));
        is("import envoy a b", Invocation::ImportEnvoy(vec!["a".into(), "b".into()]));
        is("import nginx a", Invocation::ImportNginx("a".into()));
        is("preflight", Invocation::Preflight);
        let address = "127.0.0.1:8405".to_owned();
        is("top --once", Invocation::Top { address, once: true });
        let path = PathBuf::from("a.toml");
        is(
            "a.toml",
            Invocation::Run(Source::File { path: path.clone(), cores: None, admin: None }),
        );
        let source = Source::File { path, cores: Some(2), admin: Some(None) };
        is("a.toml --cores 2 --admin off", Invocation::Run(source));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_option() {
        for (text, part) in [
            ("--rate 5", "'--rate <RATE>': \"5\" is not a rate such as \"100/m\""),
            ("--rate 5/m --by pi", "did you mean `ip`?"),
            (
                "--rate 5/m --by descriptor:x",
                "is none of `ip`, `host`, `method`, `path`, `header:NAME`",
            ),
            ("--rate 5/m --by header:", "\"\" is not a token"),
            ("--by ip", "--rate <RATE>"),
            ("--listen 8090", "\"8090\" has no port"),
            ("a.toml --rate 5/m", "cannot be used with"),
            ("a.toml --listen :80", "cannot be used with"),
            ("import envoy", "<FILE>"),
            ("chekc a.toml", "did you mean the command `ringlet-limiter check`?"),
            ("imprt nginx a", "did you mean the command `ringlet-limiter import`?"),
            ("check a b", "unexpected argument 'b'"),
            ("a.toml b.toml", "b.toml"),
            ("--cores 9999", "not a number from 0 to 1024"),
        ] {
            let error = parse(words(text)).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_command_that_is_misspelt_is_named() {
        let source = Source::File { path: "chekc".into(), cores: None, admin: None };
        let meant = "did you mean the command `ringlet-limiter check`?";
        assert_eq!(hint(&source).as_deref(), Some(meant));
        let source = Source::File { path: "./chekc".into(), cores: None, admin: None };
        assert_eq!(hint(&source), None);
    }
}
