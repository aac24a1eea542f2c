//! Job: tell how ringlet-server scales, without a machine of many cores.
//! In: the options of `ringlet-bench scaling`. Out: the report `scaling`.
//! Invariant: measured are costs per request, which do not need a CPU for each shard; throughput of
//! many cores is predicted from them, and its assumptions stand beside it.

mod analysis;
mod least_squares;
mod load;
mod measure;
mod perf;
mod prediction;
mod presentation;
mod sample;
mod split;
mod usl;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::data_server::Launcher;
use crate::loader::Loader;
use crate::report::Findings;
use crate::session::{Common, Session, binary, version};
use load::Mix;
use measure::{Bench, CASES, Case, SHARDS, Way};
use perf::Perf;

/// What `ringlet-bench scaling` can be asked for.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The server under test; without it the one that the variable RINGLET_SERVER_BINARY names, or
    /// target/release/ringlet-server.
    #[arg(long)]
    server: Option<PathBuf>,
    /// The ringlet-bench that makes the load; without it this one.
    #[arg(long)]
    generator: Option<PathBuf>,
}

/// Measures and reports.
///
/// # Errors
/// A server or the generator cannot be started or breaks off.
pub fn measure(arguments: &Arguments) -> io::Result<()> {
    let common = &arguments.common;
    let launcher = Launcher {
        // Not started here.
        redis: PathBuf::from("redis-server"),
        ringlet: binary(
            arguments.server.as_ref(),
            "RINGLET_SERVER_BINARY",
            "target/release/ringlet-server",
        ),
        server_cpus: common.server_cpus.clone(),
    };
    let mut loader = Loader::this(&common.load_cpu.to_string())?;
    if let Some(generator) = &arguments.generator {
        loader.program[0] = generator.display().to_string();
    }
    let server_cpus = cpus(&common.server_cpus)?;
    let setting = vec![
        format!("under test: {}", version(&launcher.ringlet, "--version")?),
        format!(
            "servers on CPU {} ({server_cpus} of them), load on CPU {}",
            common.server_cpus, common.load_cpu
        ),
        format!("{} clients for each shard, values of 64 bytes", measure::CLIENTS_PER_SHARD),
        "CPU per request in this report: /proc/PID/task/*/schedstat, the same time in nanoseconds, \
         while the load is under way"
            .to_owned(),
    ];
    let time = Duration::from_millis(common.pick(300, 2000));
    let rounds = common.rounds(2, 5);
    let title = "How ringlet-server scales with its shards";
    Session { common, name: "scaling", title, setting }.run(["1, 2, 4 and 8 shards"], |_| {
        let bench = Bench::start(&launcher, loader.clone(), time)?;
        let series = bench.run(rounds)?;
        let mut findings = presentation::findings(&series, server_cpus);
        findings.commands.splice(..0, bench.servers());
        add_transfers(&mut findings, &bench);
        Ok(findings)
    })
}

/// Cache misses and transfers, where they can be counted; else why not, once.
fn add_transfers(findings: &mut Findings, bench: &Bench) {
    let counted = Perf::new().and_then(|perf| {
        let mut notes = Vec::new();
        for case in CASES.into_iter().filter(|case| case.mix == Mix::GetSet) {
            for shards in SHARDS {
                let note = transfers(bench, &perf, case, shards);
                notes.push(note.map_err(|error| error.to_string())?);
            }
        }
        Ok(notes)
    });
    findings.notes.extend(counted.unwrap_or_else(|why| {
        vec![format!("Transfers of cache lines between cores were not counted: {why}.")]
    }));
}

fn transfers(bench: &Bench, perf: &Perf, case: Case, shards: usize) -> io::Result<String> {
    let requests = bench.observe(case, Way::Plain, shards, |pid| perf.wrapper(pid))?;
    let each = |(event, count): (String, f64)| format!("{event} {:.3}", count / requests.max(1.0));
    let each: Vec<String> = perf.counts()?.into_iter().map(each).collect();
    let case = case.name();
    Ok(format!(
        "{case}, plain clients, {shards} shards, of each request by perf: {}.",
        each.join(", ")
    ))
}

/// How many CPUs a list like `0,2-5` names.
fn cpus(list: &str) -> io::Result<usize> {
    let count = |part: &str| -> Option<usize> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first).map(|more| more + 1)
    };
    list.split(',')
        .map(|part| count(part.trim()))
        .sum::<Option<usize>>()
        .ok_or_else(|| io::Error::other(format!("{list} is no list of CPUs")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_counted() {
        for (list, expected) in [("0", 1), ("0,2", 2), ("0-3", 4), ("0,2-5,7", 6)] {
            assert_eq!(cpus(list).expect(list), expected);
        }
        for list in ["", "x", "3-1", "0,,1"] {
            assert!(cpus(list).is_err(), "{list}");
        }
    }
}
