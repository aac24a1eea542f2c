//! Job: `ringlet-bench load`: put load on one server and say what came of it.
//! In: the command line. Out: a report on standard output or in a file, progress on standard error, an
//! exit code.
//! Invariant: what was measured is printed however the run ended.

mod command_line;
mod options;
mod output;
mod plan;
mod progress;
mod search;
mod talk;
mod target;
mod units;

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{IsTerminal, LineWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use clap::error::ErrorKind;
use hdrhistogram::serialization::V2DeflateSerializer;
use ringlet_runtime::preflight;
use ringlet_runtime::signals::{HangUp, Signals};

pub use self::options::Arguments;
use self::output::{hgrm, hlog, human};
use self::progress::Progress;
use self::search::{Bound, Trial};
use self::talk::Talk;
use crate::generator::Watch;
use crate::generator::outcome::{Ended, Interval, Outcome};
use crate::generator::plan::Plan;

/// The exit code of a process that was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

/// Runs what the options say.
pub fn run(arguments: &Arguments) -> ExitCode {
    let number = |what: &str| RandomState::new().hash_one(what);
    let mut arguments = arguments.clone();
    // Short enough to be typed.
    let seed = *arguments.keys.seed.get_or_insert_with(|| number("seed") % 1_000_000);
    let arguments = &arguments;
    let talk = plan::check(arguments).and_then(|()| Talk::new(arguments, seed, number("run")));
    let talk = match talk {
        Ok(talk) => talk,
        // Prints the error as clap prints its own, and ends with its exit code.
        Err(error) => usage().error(ErrorKind::ArgumentConflict, error).exit(),
    };
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let command = command_line::repeating(&words, seed);
    let stop = Arc::new(AtomicBool::new(false));
    let result = preflight().and_then(|()| stop_at_signals(&stop)).and_then(|()| {
        let mut files = Files::create(arguments)?;
        let outcome = Job::prepare(arguments, talk, command, &stop)?.outcome(&mut files)?;
        files.write(arguments, &outcome)?;
        Ok(outcome)
    });
    let is_stopped = stop.load(Ordering::Relaxed);
    match result {
        Ok(outcome) => {
            if let Ended::Failed(reason) = &outcome.ended
                && !arguments.output.is_read_by_people()
            {
                eprintln!("ringlet-bench: {reason}");
            }
            ExitCode::from(exit_code(&outcome, is_stopped))
        }
        Err(error) => {
            eprintln!("ringlet-bench: {error}");
            ExitCode::from(if is_stopped { INTERRUPTED } else { 1 })
        }
    }
}

fn usage() -> clap::Command {
    <Arguments as clap::Args>::augment_args(clap::Command::new("ringlet-bench load"))
}

/// The generator needs what the servers need, and as many descriptors as it may have.
fn preflight() -> Result<(), String> {
    let report = preflight::check();
    if report.is_ok() {
        return Ok(());
    }
    Err(format!("this machine lacks what load takes:\n{report}"))
}

/// Lets SIGINT, SIGTERM and SIGHUP end the run in good order, with its report.
fn stop_at_signals(stop: &Arc<AtomicBool>) -> Result<(), String> {
    let signals =
        Signals::block(HangUp::Report).map_err(|error| format!("cannot block signals: {error}"))?;
    let stop = stop.clone();
    let thread = signals.deliver(move |_| stop.store(true, Ordering::Relaxed));
    thread.map(drop).map_err(|error| format!("cannot start the signal thread: {error}"))
}

/// What the exit code says of a run.
fn exit_code(outcome: &Outcome, is_stopped: bool) -> u8 {
    match outcome.ended {
        Ended::Failed(_) => 1,
        Ended::Interrupted => INTERRUPTED,
        Ended::Complete if is_stopped => INTERRUPTED,
        Ended::Complete => u8::from(outcome.has_errors()),
    }
}

/// The files that are asked for, made before the run: a name that does not work must not cost one.
struct Files {
    report: Option<File>,
    hlog: Option<LineWriter<File>>,
    hgrm: Option<File>,
}

impl Files {
    fn create(arguments: &Arguments) -> Result<Self, String> {
        let create = |path: &Option<std::path::PathBuf>| match path {
            Some(path) => File::create(path).map(Some).map_err(|error| unwritable(path, &error)),
            None => Ok(None),
        };
        let output = &arguments.output;
        Ok(Self {
            report: create(&output.output)?,
            hlog: create(&output.hlog)?.map(LineWriter::new),
            hgrm: create(&output.hgrm)?,
        })
    }

    /// Writes what is known at the end.
    fn write(self, arguments: &Arguments, outcome: &Outcome) -> Result<(), String> {
        let output = &arguments.output;
        let text = output.format.text(outcome)?;
        match (self.report, &output.output) {
            (Some(file), Some(path)) => write_all(file, path, &text)?,
            _ => match std::io::stdout().write_all(text.as_bytes()) {
                // A reader that is gone is no failure.
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    return Err(unwritable(Path::new("the report"), &error));
                }
                _ => {}
            },
        }
        match (self.hgrm, &output.hgrm) {
            (Some(file), Some(path)) => write_all(file, path, &hgrm::text(&outcome.total.latency)),
            _ => Ok(()),
        }
    }
}

fn write_all(mut file: File, path: &Path, text: &str) -> Result<(), String> {
    file.write_all(text.as_bytes()).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("cannot write {}: {error}", path.display())
}

/// A run that can begin.
struct Job<'a> {
    arguments: &'a Arguments,
    talk: Talk,
    nodes: Vec<SocketAddr>,
    command: String,
    stop: &'a Arc<AtomicBool>,
}

impl<'a> Job<'a> {
    fn prepare(
        arguments: &'a Arguments,
        mut talk: Talk,
        command: String,
        stop: &'a Arc<AtomicBool>,
    ) -> Result<Self, String> {
        let address = arguments.target.resolve()?;
        let nodes = if arguments.redis.cluster { talk.discover(address)? } else { vec![address] };
        Ok(Self { arguments, talk, nodes, command, stop })
    }

    /// Fills, then runs or searches.
    fn outcome(&self, files: &mut Files) -> Result<Outcome, String> {
        if self.arguments.redis.fill {
            self.fill()?;
        }
        match plan::bound(self.arguments) {
            Some(bound) => self.search(&bound),
            None => {
                let plan = plan::plan(self.arguments, self.nodes.clone());
                self.logged(&plan, files.hlog.as_mut())
            }
        }
    }

    fn fill(&self) -> Result<(), String> {
        let plan = plan::fill_plan(self.arguments, self.nodes.clone());
        let mut watchers = self.watchers("filling", &plan);
        let outcome = self.talk.fill(&plan, self.command.clone(), &mut watchers, self.stop)?;
        let error = outcome.errors.keys().next();
        match outcome.ended {
            Ended::Failed(reason) => Err(format!("filling keys: {reason}")),
            Ended::Interrupted => Err("interrupted while filling keys".to_owned()),
            Ended::Complete => match error {
                Some(error) => Err(format!("filling keys: {error}")),
                None => Ok(()),
            },
        }
    }

    /// A run with its log.
    fn logged(&self, plan: &Plan, file: Option<&mut LineWriter<File>>) -> Result<Outcome, String> {
        let mut serializer = V2DeflateSerializer::new();
        let mut watchers = self.watchers("running", plan);
        let path = self.arguments.output.hlog.as_deref().unwrap_or(Path::new(""));
        if let Some(file) = file {
            let log = hlog::Log::begin(file, &mut serializer, &self.command, SystemTime::now());
            watchers.log = Some(log.map_err(|error| unwritable(path, &error))?);
        }
        let outcome = self.talk.run(plan, self.command.clone(), &mut watchers, self.stop)?;
        // The report is worth more than its log.
        if let Some(Err(error)) = watchers.log.map(|log| log.finish(&outcome)) {
            eprintln!("ringlet-bench: {}", unwritable(path, &error));
        }
        Ok(outcome)
    }

    fn watchers<'b>(&self, label: &str, plan: &Plan) -> Watchers<'b> {
        let is_shown = !self.arguments.output.no_progress && std::io::stderr().is_terminal();
        Watchers { progress: Progress::start(label, plan, is_shown), log: None }
    }

    /// Searches for the highest rate; the outcome is that of the best trial.
    fn search(&self, bound: &Bound) -> Result<Outcome, String> {
        let found =
            search::highest_rate(bound, |rate| self.trial(rate), |line| eprintln!("{line}"));
        if let Some(reason) = &found.stopped {
            eprintln!("the search stopped: {reason}");
        }
        if found.was_late {
            eprintln!(
                "warning: the generator itself was late where the bound was missed: the server may hold \
                 more; give the generator more --threads, or a CPU of its own"
            );
        }
        let bound_ms = bound.p99_us / 1000.0;
        match found.best {
            Some((rate, trial)) => {
                eprintln!("the highest rate with a p99 of {bound_ms} ms or less: {rate:.0}/s");
                Ok(end_of_search(trial.detail, found.stopped, self.stop.load(Ordering::Relaxed)))
            }
            None => Err(found.stopped.unwrap_or_else(|| {
                format!("no rate that was tried has a p99 of {bound_ms} ms or less")
            })),
        }
    }

    fn trial(&self, rate: f64) -> Result<Trial<Outcome>, String> {
        let mut arguments = self.arguments.clone();
        arguments.pace.rate = Some(rate);
        let plan = plan::plan(&arguments, self.nodes.clone());
        let mut watchers = self.watchers(&format!("{rate:.0}/s"), &plan);
        let outcome = self.talk.run(&plan, self.command.clone(), &mut watchers, self.stop)?;
        trial_of(outcome)
    }
}

/// The best trial, which was complete, as the end of a search, which was not if it stopped.
fn end_of_search(mut best: Outcome, stopped: Option<String>, is_interrupted: bool) -> Outcome {
    if let Some(reason) = stopped {
        best.ended = match is_interrupted {
            true => Ended::Interrupted,
            false => Ended::Failed(format!("the search stopped: {reason}")),
        };
    }
    best
}

/// What the search must know of a run.
fn trial_of(outcome: Outcome) -> Result<Trial<Outcome>, String> {
    let broke_off = match &outcome.ended {
        Ended::Complete => None,
        Ended::Failed(reason) => Some(reason.clone()),
        Ended::Interrupted => return Err("interrupted".to_owned()),
    };
    Ok(Trial {
        requests: outcome.total.requests,
        rate: outcome.rate,
        p99_us: outcome.total.latency.quantile_us(0.99),
        errors: outcome.total.errors() + outcome.unanswered,
        is_late: human::is_late(&outcome),
        broke_off,
        detail: outcome,
    })
}

/// Who hears of a run while it goes on.
struct Watchers<'a> {
    progress: Progress,
    log: Option<hlog::Log<'a, LineWriter<File>>>,
}

impl Watch for Watchers<'_> {
    fn second(&mut self, interval: &Interval) {
        self.progress.second(interval);
        if let Some(log) = &mut self.log {
            log.second(interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::outcome::Figures;
    use crate::load_command::output::tests::outcome;

    #[test]
    fn exit_codes_say_how_it_went() {
        assert_eq!(exit_code(&outcome(), false), 0);
        type Change = fn(&mut Outcome);
        let changes: [(Change, u8); 8] = [
            (|outcome| outcome.ended = Ended::Interrupted, 130),
            (|outcome| outcome.ended = Ended::Failed("reset".to_owned()), 1),
            (|outcome| outcome.total.refused = 1, 1),
            (|outcome| outcome.total.wrong = 1, 1),
            (|outcome| outcome.unanswered = 1, 1),
            (|outcome| outcome.probe = Some(Figures { wrong: 1, ..Figures::default() }), 1),
            (|outcome| outcome.errors = [("reset".to_owned(), 1)].into(), 1),
            (|outcome| outcome.total.misses = 1, 0),
        ];
        for (place, (change, code)) in changes.into_iter().enumerate() {
            let mut outcome = outcome();
            change(&mut outcome);
            assert_eq!(exit_code(&outcome, false), code, "change {place}");
        }
        assert_eq!(exit_code(&outcome(), true), 130, "a search that was stopped");
    }

    #[test]
    fn a_search_that_stopped_is_not_complete() {
        let ended = |stopped: Option<&str>, is_interrupted| {
            end_of_search(outcome(), stopped.map(str::to_owned), is_interrupted).ended
        };
        assert_eq!(ended(None, false), Ended::Complete);
        assert_eq!(ended(Some("interrupted"), true), Ended::Interrupted);
        let failed = Ended::Failed("the search stopped: refused".to_owned());
        assert_eq!(ended(Some("refused"), false), failed);
    }

    #[test]
    fn a_search_hears_what_breaks_and_ends_when_interrupted() {
        let mut failed = outcome();
        failed.ended = Ended::Failed("reset".to_owned());
        failed.total.refused = 2;
        failed.unanswered = 3;
        let trial = trial_of(failed).expect("a trial");
        assert_eq!((trial.broke_off.as_deref(), trial.errors), (Some("reset"), 5));
        assert_eq!((trial.requests, trial.rate), (100, 100.0));
        assert!((trial.p99_us - 99.0).abs() < 0.2, "{}", trial.p99_us);
        let mut interrupted = outcome();
        interrupted.ended = Ended::Interrupted;
        assert_eq!(trial_of(interrupted).map(|_| ()), Err("interrupted".to_owned()));
    }
}
