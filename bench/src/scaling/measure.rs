//! Job: run the loads of the scaling suite against servers with 1 to 8 shards.
//! In: a launcher, a generator, how long. Out: a [`Series`] of runs for each load and server.
//! Invariant: all take turns within each round, and who begins changes from round to round.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use super::load::{Load, Mix};
use super::sample::{Run, Sample};
use crate::child::free_ports_in_row;
use crate::compare::at_turn;
use crate::data_server::{Kind, Launcher, Server};
use crate::loader::Loader;

/// The numbers of shards.
pub const SHARDS: [usize; 4] = [1, 2, 4, 8];
/// Clients for each shard: every core shall have as much to do as the only one has.
pub const CLIENTS_PER_SHARD: usize = 50;

/// Requests per client after which a load is under way: more than a client says at first.
const SEEN_REQUESTS: usize = 5;
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// What is asked, and how deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// What is asked.
    pub mix: Mix,
    /// Requests sent at once.
    pub pipeline: usize,
}

/// The single-key load whose hops are priced, and the one that uses the sequencer.
pub const CASES: [Case; 3] = [
    Case { mix: Mix::GetSet, pipeline: 1 },
    Case { mix: Mix::GetSet, pipeline: 16 },
    Case { mix: Mix::Multi, pipeline: 1 },
];

impl Case {
    /// Its name in rows and plots.
    pub fn name(self) -> String {
        let asked = match self.mix {
            Mix::GetSet => "GET/SET",
            Mix::Multi => "MSET of 8 keys and 7 GET",
        };
        format!("{asked}, pipeline {}", self.pipeline)
    }
}

/// How clients reach the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Any client at the one port.
    Plain,
    /// Cluster clients at the ports of the shards.
    Ports,
}

impl Way {
    /// Its name in rows and plots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain clients",
            Self::Ports => "shard ports",
        }
    }
}

/// The runs of one load against one server, one for each round.
#[derive(Clone, Debug)]
pub struct Series {
    /// What was asked.
    pub case: Case,
    /// How.
    pub way: Way,
    /// Shards of the server.
    pub shards: usize,
    /// What each round saw.
    pub runs: Vec<Run>,
    /// CPU time over elapsed time of each run: CPUs that the server kept busy.
    pub busy_cpus: Vec<f64>,
    /// The command line that repeats the load.
    pub command: String,
}

/// A server with its shards' ports.
struct Target {
    server: Server,
    shards: usize,
    /// The first shard's.
    port: SocketAddr,
}

/// Servers and who asks them.
pub struct Bench {
    targets: Vec<Target>,
    loader: Loader,
    time: Duration,
}

impl Bench {
    /// Starts the servers and fills them.
    ///
    /// # Errors
    /// A process that cannot be started or breaks off.
    pub fn start(launcher: &Launcher, loader: Loader, time: Duration) -> io::Result<Self> {
        let mut targets = Vec::new();
        for shards in SHARDS {
            let first = free_ports_in_row(shards as u16)?;
            let options = ["--shard-ports", &first.to_string()];
            let server = launcher.start_with(Kind::Ringlet { shards }, &options)?;
            let port = SocketAddr::from((Ipv4Addr::LOCALHOST, first));
            let fill = Load { fills: true, ..load(CASES[0], Way::Plain, shards, time) };
            loader.run(&fill.words(server.address))?;
            targets.push(Target { server, shards, port });
        }
        Ok(Self { targets, loader, time })
    }

    /// The command lines of the servers.
    pub fn servers(&self) -> Vec<String> {
        self.targets.iter().map(|target| target.server.command()).collect()
    }

    /// Measures in so many rounds.
    ///
    /// # Errors
    /// A process that breaks off, or a server without the counters.
    pub fn run(&self, rounds: usize) -> io::Result<Vec<Series>> {
        let mut all: Vec<Series> = Vec::new();
        let mut targets = Vec::new();
        for case in CASES {
            for target in &self.targets {
                for way in ways(case, target.shards) {
                    let load = load(case, *way, target.shards, self.time);
                    let words = load.words(target.address(*way));
                    all.push(Series {
                        case,
                        way: *way,
                        shards: target.shards,
                        runs: Vec::new(),
                        busy_cpus: Vec::new(),
                        command: self.loader.shell_line(&words),
                    });
                    targets.push(target);
                }
            }
        }
        for round in 0..rounds {
            for index in at_turn(round, all.len()) {
                self.measure(targets[index], &mut all[index])?;
            }
        }
        Ok(all)
    }

    /// Observes the load from when it is under way until before it ends: connecting is not counted.
    fn measure(&self, target: &Target, series: &mut Series) -> io::Result<()> {
        let load = load(series.case, series.way, target.shards, self.time);
        let idle = Sample::take(&target.server)?;
        let mut running = self.loader.start(&[], &load.words(target.address(series.way)))?;
        let (before, start) = loop {
            if running.is_over()? {
                running.finish()?;
                return Err(io::Error::other("the load was over before it was seen"));
            }
            let sample = Sample::take(&target.server)?;
            if sample.requests_since(&idle) > (load.clients * SEEN_REQUESTS) as f64 {
                break (sample, Instant::now());
            }
            thread::sleep(LOOK_INTERVAL);
        };
        thread::sleep(self.time);
        let after = Sample::take(&target.server)?;
        let elapsed = start.elapsed();
        let run = after
            .since(&before)
            .ok_or_else(|| io::Error::other("the server has run no request of the load"))?;
        running.finish()?;
        series.runs.push(run);
        series.busy_cpus.push(run.cpu_s / elapsed.as_secs_f64());
        Ok(())
    }

    /// Runs one more load with the server's process under observation: `wrapper` makes the words of
    /// the observer from the process id. The requests that were run.
    ///
    /// # Errors
    /// As [`Bench::run`].
    pub fn observe(
        &self,
        case: Case,
        way: Way,
        shards: usize,
        wrapper: impl Fn(u32) -> Vec<String>,
    ) -> io::Result<f64> {
        let target = self.targets.iter().find(|target| target.shards == shards);
        let target = target.ok_or_else(|| io::Error::other("no such server"))?;
        let load = load(case, way, shards, self.time);
        let before = Sample::take(&target.server)?;
        let words = load.words(target.address(way));
        self.loader.start(&wrapper(target.server.pid()), &words)?.finish()?;
        Ok(Sample::take(&target.server)?.requests_since(&before))
    }
}

impl Target {
    fn address(&self, way: Way) -> SocketAddr {
        match way {
            Way::Plain => self.server.address,
            Way::Ports => self.port,
        }
    }
}

/// How a load is asked for. With one shard, and with commands that go to several shards anyway, the
/// shards' own ports change nothing.
fn ways(case: Case, shards: usize) -> &'static [Way] {
    if shards > 1 && case.mix == Mix::GetSet { &[Way::Plain, Way::Ports] } else { &[Way::Plain] }
}

/// Each shard has as many connections, with as many requests at once, whatever the way: a client of the
/// cluster keeps to one node, or hops would not be all that differs.
fn load(case: Case, way: Way, shards: usize, time: Duration) -> Load {
    let Case { mix, pipeline } = case;
    let clients = CLIENTS_PER_SHARD * shards;
    Load { mix, clients, pipeline, is_cluster: way == Way::Ports, fills: false, time }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_has_the_same_load() {
        for case in CASES {
            for shards in SHARDS {
                for way in ways(case, shards) {
                    let load = load(case, *way, shards, Duration::from_secs(1));
                    let each = (load.clients / shards, load.pipeline);
                    assert_eq!(each, (CLIENTS_PER_SHARD, case.pipeline));
                }
            }
        }
        assert_eq!(ways(CASES[0], 1), [Way::Plain], "one port has no other");
    }
}
