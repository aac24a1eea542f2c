//! Job: resident memory per key, beside redis-server.
//! In: the options of `ringlet-bench memory`. Out: the report `memory`.
//! Invariant: every server is fresh, and holds as many keys as the figure is divided by.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::compare::{Target, at_turn};
use crate::data_server::{Kind, Launcher};
use crate::loader::Loader;
use crate::process;
use crate::report::Findings;
use crate::report::plot::{Plot, beside};
use crate::report::targets::{SERVER_MEMORY, Wanted};
use crate::session::{Common, Session, binary, version};

/// What `ringlet-bench memory` can be asked for.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The server under test; without it the one that the variable RINGLET_SERVER_BINARY names, or
    /// target/release/ringlet-server.
    #[arg(long)]
    server: Option<PathBuf>,
    /// The peer.
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
}

/// Keys of one kind. They have 16 bytes, as redis-benchmark names them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    name: &'static str,
    keys: u64,
    /// The command that makes one.
    command: &'static str,
    value_bytes: usize,
    is_goal: bool,
}

const fn shape(name: &'static str, keys: u64, command: &'static str, value_bytes: usize) -> Shape {
    Shape { name, keys, command, value_bytes, is_goal: false }
}

/// The first one is the goal's, and what `--quick` measures.
const SHAPES: [Shape; 6] = [
    Shape { is_goal: true, ..shape("16 B value", 2_000_000, "SET __key__ __data__", 16) },
    shape("64 B value", 1_000_000, "SET __key__ __data__", 64),
    shape("16 B value with a TTL", 1_000_000, "SET __key__ __data__ EX 100000", 16),
    shape(
        "hash of 4 fields of 16 B",
        500_000,
        "HSET __key__ field:1 __data__ field:2 __data__ field:3 __data__ field:4 __data__",
        16,
    ),
    shape(
        "list of 4 elements of 16 B",
        500_000,
        "RPUSH __key__ __data__ __data__ __data__ __data__",
        16,
    ),
    shape("sorted set of 4 members", 500_000, "ZADD __key__ 1 one 2 two 3 three 4 four", 16),
];
const KINDS: [Kind; 2] = [Kind::Redis, Kind::Ringlet { shards: 1 }];

/// Measures and reports.
///
/// # Errors
/// A server or a tool that cannot be started or breaks off.
pub fn compare(arguments: &Arguments) -> io::Result<()> {
    let common = &arguments.common;
    let built = "target/release/ringlet-server";
    let launcher = Launcher {
        redis: arguments.redis.clone(),
        ringlet: binary(arguments.server.as_ref(), "RINGLET_SERVER_BINARY", built),
        server_cpus: common.server_cpus.clone(),
    };
    let loader = Loader::this(&common.load_cpu.to_string())?;
    let setting = vec![
        format!("under test: {}", version(&launcher.ringlet, "--version")?),
        format!("peer: {}", version(&launcher.redis, "--version")?),
    ];
    let rounds = common.rounds(1, 3);
    let shapes = common.choose(&[], &SHAPES, &SHAPES[..1]);
    let title = "Memory per key beside redis-server";
    Session { common, name: "memory", title, setting }.run(["keys of several kinds"], |_| {
        let mut findings = Findings::default();
        for shape in &shapes {
            let figures = measure(shape, rounds, &launcher, &loader, &mut findings)?;
            let wanted =
                if shape.is_goal { SERVER_MEMORY.must() } else { Wanted::from(Target::None) };
            let name = format!("resident memory per key, {} keys, {}", shape.keys, shape.name);
            findings.row(&name, "bytes", &figures[0], &figures[1], wanted);
        }
        let plot = beside("Memory per key", &findings.rows);
        findings.plots.push(Plot {
            caption:
                "Growth of the resident memory of a fresh server over the number of keys that it \
                      was given; keys have 16 bytes."
                    .to_owned(),
            ..plot
        });
        Ok(findings)
    })
}

/// Bytes per key of each server, one figure per round.
fn measure(
    shape: &Shape,
    rounds: usize,
    launcher: &Launcher,
    loader: &Loader,
    findings: &mut Findings,
) -> io::Result<[Vec<f64>; 2]> {
    let mut figures = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for index in at_turn(round, KINDS.len()) {
            let server = launcher.start(KINDS[index])?;
            let before = process::resident_bytes(server.pid())?;
            let outcome = loader.run_line(&options(shape, server.address))?;
            let after = process::resident_bytes(server.pid())?;
            let held = server.key_count()?;
            if held != shape.keys {
                let text = format!("{held} keys are there, not {}", shape.keys);
                return Err(io::Error::other(text));
            }
            figures[index].push(after.saturating_sub(before) as f64 / held as f64);
            if round == 0 {
                findings.commands.extend([server.command(), outcome.command]);
            }
        }
    }
    Ok(figures)
}

/// The options that make each key once.
fn options(shape: &Shape, address: SocketAddr) -> String {
    let Shape { command, keys, value_bytes, .. } = shape;
    format!(
        "redis://{address} --command '{command}' --distribution sequential --keys {keys} --requests \
         {keys} --value-bytes {value_bytes} --connections 4 --pipeline 64 --warm-up 0s"
    )
}
