//! Job: the command line of `ringlet-bench load`.
//! In: words. Out: [`Arguments`], each of them valid by itself; how they go together is `plan`'s.
//! Invariant: an option that only one protocol has is an `Option` (or a list, or off), so that it is known
//! whether it was given.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output::Format;
use super::target::Target;
use super::units;
use crate::generator::http_settings::{Header, Statuses};
use crate::generator::keys::{Distribution, KEYS_MAX};
use crate::generator::plan::Gaps;
use crate::generator::resp_settings::{Ratio, Ttl};
use crate::generator::template::Template;
use crate::generator::values::Sizes;

/// Put load on one server and measure what comes back.
///
/// Without --rate each connection sends its next request when the reply to the last has come, as
/// redis-benchmark and wrk do. With --rate requests are sent at their times whatever the server does, and
/// latency counts from the intended time, so that a server which stands still shows it (as in wrk2, or
/// memtier with --rate-limiting).
///
/// Exit codes: 0 complete; 1 failed, or errors or wrong values were seen; 2 wrong use; 130 interrupted.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// redis://[user:password@]host[:port][/database], http://host[:port]/path, or just host:port for
    /// redis. In a path, __key__ stands for the number of a key.
    #[arg(value_name = "ADDRESS")]
    pub target: Target,
    /// When requests are sent.
    #[command(flatten, next_help_heading = "Pace")]
    pub pace: Pace,
    /// How long.
    #[command(flatten, next_help_heading = "Length")]
    pub length: Length,
    /// About which keys.
    #[command(flatten, next_help_heading = "Keys")]
    pub keys: Keys,
    /// What is asked of a Redis server.
    #[command(flatten, next_help_heading = "Requests to a Redis server")]
    pub redis: Redis,
    /// What is asked of an HTTP server.
    #[command(flatten, next_help_heading = "Requests to an HTTP server")]
    pub http: Http,
    /// What is printed and written.
    #[command(flatten, next_help_heading = "Output")]
    pub output: Output,
}

/// When requests are sent, and over what.
#[derive(Clone, Debug, Args)]
pub struct Pace {
    /// Requests per second over all connections, such as 5000 or 50k, sent whether or not replies come.
    #[arg(long, value_parser = units::rate, conflicts_with = "pipeline")]
    pub rate: Option<f64>,
    /// The times between requests of --rate and --probe: all equal, or random as independent users make
    /// them.
    #[arg(long, value_enum, default_value = "random", value_name = "HOW")]
    pub gaps: GapsName,
    /// Requests of --rate that are sent at once on one connection, as clients do that collect them; in a
    /// second there are as many requests as without it.
    #[arg(long, requires = "rate", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub burst: Option<u32>,
    /// Requests that a connection sends at once, to then wait for all their replies (redis-benchmark -P).
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub pipeline: u32,
    /// Connections over all threads (redis-benchmark -c).
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,
    /// Threads that make load, each on a CPU of its own as far as there are so many.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: u32,
    /// A new connection for each request (redis-benchmark -k 0).
    #[arg(long)]
    pub new_connections: bool,
    /// Yield the CPU when there is nothing to do, because others need it; times get less exact.
    #[arg(long)]
    pub share_cpu: bool,
    /// Beside the load, a GET at this rate on a connection of its own, measured by itself: what another
    /// client feels of the load.
    #[arg(long, value_name = "RATE", value_parser = units::rate)]
    pub probe: Option<f64>,
    /// Search for the highest --rate at which 99 of 100 requests take no longer than this, such as 5ms.
    /// Each trial takes --time.
    #[arg(long, value_parser = units::time, value_name = "TIME", conflicts_with_all = ["rate", "pipeline", "requests", "hlog"])]
    pub max_p99: Option<Duration>,
    /// Try no higher rate than this.
    #[arg(long, value_parser = units::rate, value_name = "RATE", requires = "max_p99")]
    pub max_rate: Option<f64>,
}

/// The names of [`Gaps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GapsName {
    /// One after the other like a clock.
    Equal,
    /// Exponential: now and then many at once.
    Random,
}

impl From<GapsName> for Gaps {
    fn from(name: GapsName) -> Self {
        match name {
            GapsName::Equal => Self::Equal,
            GapsName::Random => Self::Random,
        }
    }
}

/// When the load ends.
#[derive(Clone, Debug, Args)]
pub struct Length {
    /// How long is measured, such as 10s, 500ms or 2m.
    #[arg(long, value_parser = units::time, default_value = "10s", conflicts_with = "requests")]
    pub time: Duration,
    /// End after so many requests, those of the warm-up included (redis-benchmark -n).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,
    /// How long load is made before it is measured, or 0 (1s; 0 with --requests).
    #[arg(long, value_parser = units::time_or_none, value_name = "TIME")]
    pub warm_up: Option<Duration>,
}

/// Which keys requests are about.
#[derive(Clone, Debug, Args)]
pub struct Keys {
    /// Number of keys (redis-benchmark -r).
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=KEYS_MAX))]
    pub keys: u64,
    /// How requests are spread over keys: uniform, zipfian[:EXPONENT], hotspot[:KEYS:REQUESTS] (shares,
    /// as in 0.2:0.8) or sequential.
    #[arg(long, default_value_t = Distribution::Uniform, value_name = "HOW")]
    pub distribution: Distribution,
    /// Start of the random numbers; the same seed makes the same requests at the same times. The report says
    /// which it was.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// What only Redis servers are asked.
#[derive(Clone, Debug, Args)]
pub struct Redis {
    /// SETs to GETs (memtier --ratio) [default: 1:1].
    #[arg(long, value_name = "SETS:GETS", conflicts_with = "command")]
    pub ratio: Option<Ratio>,
    /// A command instead of SET and GET, such as 'HSET __key__ field __data__'; words and quotes as in a
    /// shell. May be given several times.
    #[arg(long, value_name = "WORDS")]
    pub command: Vec<Template>,
    /// How often the --command is sent in proportion to the others; one for each, in their order.
    #[arg(long, value_name = "N", requires = "command", value_parser = clap::value_parser!(u32).range(1..))]
    pub command_ratio: Vec<u32>,
    /// What names of keys begin with; 12 digits follow [default: key:].
    #[arg(long, value_name = "TEXT")]
    pub key_prefix: Option<String>,
    /// Bytes of a value (redis-benchmark -d): 64, a range as 16-1024, or sizes with weights as
    /// 16*70,1024*25,65536*5 [default: 64].
    #[arg(long, value_name = "SIZES")]
    pub value_bytes: Option<Sizes>,
    /// Let what is SET expire after so many seconds: 30, or a range as 10-60.
    #[arg(long, value_name = "SECONDS", conflicts_with = "command")]
    pub ttl: Option<Ttl>,
    /// Set every key once before the run, unmeasured, so that reads find something.
    #[arg(long)]
    pub fill: bool,
    /// Check that reads bring back what was written.
    #[arg(long, conflicts_with = "command")]
    pub verify: bool,
    /// The address is one node of a cluster: send each key to the node of its slot.
    #[arg(long)]
    pub cluster: bool,
    /// Each connection is a client of one node of the cluster and asks for keys of that node only (as
    /// redis-benchmark --cluster has it). Without it each client has a connection to every node.
    #[arg(long, requires = "cluster")]
    pub one_node: bool,
}

/// What only HTTP servers are asked.
#[derive(Clone, Debug, Args)]
pub struct Http {
    /// The method [default: GET].
    #[arg(long)]
    pub method: Option<String>,
    /// A field of the head, as 'Name: value', in which __key__ stands for the number of a key. May be
    /// given several times.
    #[arg(long, value_name = "FIELD")]
    pub header: Vec<Header>,
    /// Send a body of so many bytes.
    #[arg(long, value_name = "N")]
    pub body_bytes: Option<u32>,
    /// Statuses that are no errors, such as 200,429 or 200-299,404 [default: 200-299].
    #[arg(long, value_name = "STATUSES")]
    pub expect: Option<Statuses>,
}

/// Where results go.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// human: a table; json: all there is, for programs; csv: a row per second and rows of sums, for
    /// spreadsheets.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Write the report here instead of to standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write latencies second by second as an interval log for HdrHistogram tools.
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// Write the distribution of latency as percentiles for HdrHistogram plotters.
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
    /// No progress line, which is shown when standard error is a terminal.
    #[arg(long)]
    pub no_progress: bool,
}

impl Output {
    /// Whether the report goes to people at once, and not into a file or a program.
    pub fn is_read_by_people(&self) -> bool {
        self.format == Format::Human && self.output.is_none()
    }
}
