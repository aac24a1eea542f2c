//! Job: have every load meet every system, round by round.
//! In: a scenario, the program that makes load. Out: [`Measured`].
//! Invariant: in each round each system is started anew and is alone beside the backends, so that its
//! figures are of a fresh process and no neighbour; another system begins in each round. A round that
//! fails is a note, and its figures are missing, not wrong.

use std::io;

use super::scenario::{Load, Scenario};
use super::syscalls::{PerRequest, Tool};
use super::systems::{Host, Installed, Running, with_address};
use super::template::Names;
use crate::compare::at_turn;
use crate::generator::outcome::{Latencies, Outcome, Second};
use crate::loader::Loader;
use crate::shell;

/// How to measure.
#[derive(Debug)]
pub struct Method<'a> {
    /// How often each load meets each system.
    pub rounds: usize,
    /// What makes load.
    pub loader: &'a Loader,
    /// What counts system calls, in a round of its own.
    pub tool: Option<Tool>,
}

/// All that was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// What ran: programs and their versions.
    pub settings: Vec<String>,
    /// The loads, in the order of the scenario.
    pub loads: Vec<OfLoad>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Command lines of all that ran.
    pub commands: Vec<String>,
}

/// What one load found.
#[derive(Debug)]
pub struct OfLoad {
    /// Its name.
    pub name: String,
    /// Its systems; the others are compared with the first.
    pub systems: Vec<OfSystem>,
}

/// What one load found of one system.
#[derive(Debug, Default)]
pub struct OfSystem {
    /// The system's name.
    pub name: String,
    /// One of each round; none where the round failed.
    pub rounds: Vec<Option<Sample>>,
    /// The latencies of all rounds.
    pub latency: Latencies,
    /// Counts of the round with a tracer.
    pub traced: Option<PerRequest>,
}

/// What one round found of one system.
#[derive(Clone, Debug)]
pub struct Sample {
    /// CPU time of the system's processes per answered request, in microseconds.
    pub cpu_us: f64,
    /// Answered requests per second.
    pub rate: f64,
    /// The median of the latencies, in microseconds.
    pub p50_us: f64,
    /// Their 99th percentile.
    pub p99_us: f64,
    /// Their 99.9th percentile.
    pub p99_9_us: f64,
    /// Resident memory of the system's processes after the load, in MiB.
    pub resident_mib: f64,
    /// The run second by second.
    pub seconds: Vec<Second>,
}

/// Measures all of a scenario; `tell` hears what is being done.
///
/// # Errors
/// A program that cannot be found or started, an interruption.
pub fn measure(
    scenario: &Scenario,
    method: &Method<'_>,
    tell: &mut dyn FnMut(&str),
) -> io::Result<Measured> {
    let host = Host::new()?;
    let mut measured = Measured::default();
    let mut names = Names::default();
    let mut backends: Vec<Running> = Vec::new();
    for program in &scenario.backends {
        let backend = host.install(program, &names)?;
        backends.push(backend.start()?);
        measured.has(&backend);
        names.add(backend.name(), backend.address.to_string());
    }
    let mut systems = Vec::new();
    for program in &scenario.systems {
        let system = host.install(program, &names)?;
        // What cannot be started is told now, not when all the others have been measured.
        system.start()?;
        measured.has(&system);
        systems.push(system);
    }
    for load in &scenario.loads {
        let found = Meeting { host: &host, method, load, systems: &systems, names: &names }
            .rounds(&mut measured, tell)?;
        measured.loads.push(found);
    }
    Ok(measured)
}

impl Measured {
    fn has(&mut self, program: &Installed<'_>) {
        self.settings.push(program.setting());
        self.commands.push(program.command());
    }
}

/// A load and the systems that it meets.
struct Meeting<'a> {
    host: &'a Host,
    method: &'a Method<'a>,
    load: &'a Load,
    systems: &'a [Installed<'a>],
    names: &'a Names,
}

impl Meeting<'_> {
    fn rounds(&self, measured: &mut Measured, tell: &mut dyn FnMut(&str)) -> io::Result<OfLoad> {
        let name = &self.load.name;
        let count = self.load.systems.len();
        let mut found: Vec<OfSystem> = Vec::new();
        for place in 0..count {
            let system = self.system(place);
            found.push(OfSystem { name: system.name().to_owned(), ..OfSystem::default() });
            for arguments in [self.prepare(place)?, Some(self.arguments(place)?)].iter().flatten() {
                let words = self.method.loader.line(arguments);
                measured.commands.push(shell::line(words.iter().map(String::as_str)));
            }
        }
        for round in 0..self.method.rounds {
            for place in at_turn(round, count) {
                let of = &mut found[place];
                tell(&format!(
                    "{name}: round {} of {}, {}",
                    round + 1,
                    self.method.rounds,
                    of.name
                ));
                let sample =
                    self.round(place).map(|(sample, outcome)| {
                        of.latency.add(&outcome.total.latency);
                        measured.notes.extend(doubts(&outcome).into_iter().map(|doubt| {
                            format!("{name}, {}, round {}: {doubt}", of.name, round + 1)
                        }));
                        sample
                    });
                let what = format!("{name}, {}, round {}", of.name, round + 1);
                of.rounds.push(unless_failed(sample, &what, measured)?);
            }
        }
        if let Some(tool) = self.method.tool {
            for (place, of) in found.iter_mut().enumerate() {
                tell(&format!("{name}: system calls, {}", of.name));
                let traced = self.traced(place, tool);
                let what = format!("{name}, {}, system calls", of.name);
                of.traced = unless_failed(traced, &what, measured)?;
            }
        }
        Ok(OfLoad { name: name.clone(), systems: found })
    }

    fn round(&self, place: usize) -> io::Result<(Sample, Outcome)> {
        let running = self.prepared(place)?;
        let before = running.used()?;
        let outcome = self.method.loader.observe(&[], &self.arguments(place)?)?;
        let after = running.used()?;
        let requests = answered(&outcome);
        if requests == 0 {
            return Err(io::Error::other("no request was answered"));
        }
        let used = after.cpu.saturating_sub(before.cpu);
        let latency = &outcome.total.latency;
        let sample = Sample {
            cpu_us: used.as_secs_f64() * 1e6 / requests as f64,
            rate: outcome.rate,
            p50_us: latency.quantile_us(0.5),
            p99_us: latency.quantile_us(0.99),
            p99_9_us: latency.quantile_us(0.999),
            resident_mib: after.resident_bytes as f64 / f64::from(1 << 20),
            seconds: outcome.seconds.clone(),
        };
        Ok((sample, outcome))
    }

    fn traced(&self, place: usize, tool: Tool) -> io::Result<PerRequest> {
        let running = self.prepared(place)?;
        let arguments = self.arguments(place)?;
        tool.count(&running.pids()?, self.method.loader, &arguments, self.host.folder())
    }

    /// A system that has been started and prepared.
    fn prepared(&self, place: usize) -> io::Result<Running> {
        let running = self.system(place).start()?;
        if let Some(arguments) = self.prepare(place)? {
            self.method.loader.observe(&[], &arguments)?;
        }
        Ok(running)
    }

    fn system(&self, place: usize) -> &Installed<'_> {
        &self.systems[self.load.systems[place]]
    }

    fn prepare(&self, place: usize) -> io::Result<Option<Vec<String>>> {
        self.load.prepare.as_ref().map(|words| self.filled(place, words)).transpose()
    }

    fn arguments(&self, place: usize) -> io::Result<Vec<String>> {
        self.filled(place, &self.load.arguments[place])
    }

    fn filled(&self, place: usize, words: &[String]) -> io::Result<Vec<String>> {
        with_address(self.names, self.system(place).address)
            .fill_all(words)
            .map_err(io::Error::other)
    }
}

/// What was found, or a note on why nothing was; only an interruption is an error.
fn unless_failed<T>(
    found: io::Result<T>,
    what: &str,
    measured: &mut Measured,
) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
        Err(error) => {
            let error = error.to_string().replace('\n', "; ");
            measured.notes.push(format!("{what}: FAILED, and does not count: {error}"));
            Ok(None)
        }
    }
}

/// Requests that were answered in all of a run, warm-up included: what the server's CPU time is for.
pub fn answered(outcome: &Outcome) -> u64 {
    let all: u64 = outcome.seconds.iter().map(|second| second.requests).sum();
    all.max(outcome.total.requests)
}

/// What casts a doubt on the figures of a run.
fn doubts(outcome: &Outcome) -> Vec<String> {
    let total = &outcome.total;
    let mut doubts: Vec<String> = [
        (total.refused, "errors or unexpected statuses among the replies"),
        (total.wrong, "WRONG values"),
        (outcome.unanswered, "requests without reply"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    doubts.extend(outcome.errors.iter().map(|(text, count)| format!("{count} times \"{text}\"")));
    let (late, latency) = (outcome.lateness.quantile_us(0.99), total.latency.quantile_us(0.99));
    if late * 2.0 > latency && late > 0.0 {
        doubts.push(format!(
            "the generator was late itself (p99 {late:.0} us of {latency:.0} us): its CPU is too busy"
        ));
    }
    doubts
}
