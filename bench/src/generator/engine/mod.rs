//! Job: one run of load: its cores, and what they saw together.
//! In: a [`Plan`] and traffic for each core. Out: intervals while it runs, and an [`Outcome`].
//! Invariant: intervals come in order, each merged over all cores that still ran in it.

mod connection;
mod core;
#[cfg(test)]
mod endings_tests;
mod link_table;
mod pace;
mod recorder;
mod shared;
mod stream;
#[cfg(test)]
mod test_lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ringlet_runtime::cores::{self, CoreIndex};

use self::core::Core;
use self::recorder::Recorder;
use self::shared::{CoreReport, Message, Shared};
use self::stream::Stream;
use crate::generator::outcome::{Ended, Interval, Outcome, Second};
use crate::generator::plan::{Limit, Pace, Plan};
use crate::generator::traffic::{Seat, Traffic};
use crate::process;

/// Messages that may wait for the collecting thread: an hour of one core's, if a terminal is stuck.
const MESSAGES_MAX: usize = 4096;

/// Hears of a run while it goes on.
pub trait Watch {
    /// A second is over.
    fn second(&mut self, interval: &Interval);
}

/// Runs `plan`, of which `command` is the command line. `traffic` makes what each core says.
///
/// # Errors
/// Nothing could be measured: a server that cannot be reached or refuses the greeting, a core that the
/// system refuses. What breaks off later stands in [`Outcome::ended`].
pub fn run<T, F>(
    plan: &Plan,
    command: String,
    traffic: F,
    watch: &mut dyn Watch,
    stop: &Arc<AtomicBool>,
) -> Result<Outcome, String>
where
    T: Traffic + 'static,
    F: Fn(Seat) -> T + Send + Clone + 'static,
{
    let cores = plan.cores.max(1);
    let shared = Arc::new(Shared::new(cores, stop.clone()));
    let (sender, receiver) = sync_channel(MESSAGES_MAX);
    let pid = std::process::id();
    let cpu_before = process::cpu_time(pid).map_err(|error| error.to_string())?;
    let threads = spawn(plan.clone(), cores, traffic, shared, sender)?;
    let (reports, seconds, refused) = collect(&receiver, cores, watch);
    threads.join().map_err(|_| "the cores' thread panicked".to_owned())??;
    if let Some(refused) = refused {
        return Err(refused);
    }
    let used = process::cpu_time(pid).map_err(|error| error.to_string())?.since(cpu_before).total();
    merge(plan, command, reports, seconds, used)
}

type Threads = thread::JoinHandle<Result<(), String>>;

/// Starts the cores.
fn spawn<T, F>(
    plan: Plan,
    cores: usize,
    traffic: F,
    shared: Arc<Shared>,
    sender: SyncSender<Message>,
) -> Result<Threads, String>
where
    T: Traffic + 'static,
    F: Fn(Seat) -> T + Send + Clone + 'static,
{
    let main = move |CoreIndex(core): CoreIndex| {
        let (plan, shared, traffic, sender) =
            (plan.clone(), shared.clone(), traffic.clone(), sender.clone());
        async move {
            let stream = |stream_plan, seat: Seat| {
                let limit = limit_of(&plan, seat.is_probe);
                Stream::new(&plan, stream_plan, limit, seat, traffic(seat))
            };
            let seat = Seat { core, cores, is_probe: false };
            let mut streams = vec![stream(&plan.stream, seat)];
            if let Some(probe) = plan.probe.as_ref().filter(|_| core == 0) {
                streams.push(stream(probe, Seat { core: 0, cores: 1, is_probe: true }));
            }
            let message = match Core::new(plan.clone(), shared.clone(), streams) {
                Ok(core) => Message::Done(Box::new(core.run(&sender))),
                Err(problem) => {
                    shared.stop();
                    Message::Refused(problem)
                }
            };
            // Nobody to hear it means that the run is over.
            let _ = sender.send(message);
        }
    };
    thread::Builder::new()
        .name("cores".to_owned())
        .spawn(move || cores::run(cores, main).map_err(|error| error.to_string()))
        .map_err(|error| error.to_string())
}

/// The bystander ends with the load, however that is limited.
fn limit_of(plan: &Plan, is_probe: bool) -> Limit {
    match plan.limit {
        Limit::Requests(_) if is_probe => Limit::Time(Duration::MAX),
        limit => limit,
    }
}

/// Hears the cores out.
fn collect(
    receiver: &Receiver<Message>,
    cores: usize,
    watch: &mut dyn Watch,
) -> (Vec<CoreReport>, Vec<Second>, Option<String>) {
    let mut board = Board::default();
    let mut reports: Vec<CoreReport> = Vec::new();
    let mut refused = None;
    while let Ok(message) = receiver.recv() {
        match message {
            Message::Interval(interval) => board.add(interval),
            Message::Done(mut report) => {
                board.ends.push(report.last.second);
                board.add(std::mem::take(&mut report.last));
                reports.push(*report);
            }
            Message::Refused(problem) => refused = Some(problem),
        }
        board.hand_out(cores - reports.len(), watch);
    }
    (reports, board.seconds, refused)
}

/// Seconds that are not whole yet, and those that are.
#[derive(Default)]
struct Board {
    /// By their number, with the cores that have told theirs.
    open: BTreeMap<u64, (usize, Interval)>,
    /// The last seconds of the cores that have ended.
    ends: Vec<u64>,
    seconds: Vec<Second>,
}

impl Board {
    fn add(&mut self, interval: Interval) {
        match self.open.get_mut(&interval.second) {
            Some((count, sum)) => {
                *count += 1;
                sum.length_s = sum.length_s.max(interval.length_s);
                sum.figures.add(&interval.figures);
                sum.outstanding += interval.outstanding;
            }
            None => {
                self.open.insert(interval.second, (1, interval));
            }
        }
    }

    /// Hands out what all cores have told; `running` of them have not ended.
    fn hand_out(&mut self, running: usize, watch: &mut dyn Watch) {
        while let Some(entry) = self.open.first_entry() {
            let late_ends = self.ends.iter().filter(|&end| end >= entry.key()).count();
            if entry.get().0 < running + late_ends {
                return;
            }
            let (_, interval) = entry.remove();
            // The last part of a second, if nothing came in it, is none.
            if interval.figures.requests > 0 || interval.length_s == 1.0 {
                watch.second(&interval);
                self.seconds.push(Second::from(&interval));
            }
        }
    }
}

/// What all cores saw together.
fn merge(
    plan: &Plan,
    command: String,
    reports: Vec<CoreReport>,
    seconds: Vec<Second>,
    used: Duration,
) -> Result<Outcome, String> {
    let warm_up_ns = plan.warm_up.as_nanos() as u64;
    let mut ended = Ended::Complete;
    for report in &reports {
        if ended == Ended::Complete || matches!(report.ended, Ended::Failed(_)) {
            ended = report.ended.clone();
        }
    }
    let has_begun = reports.iter().any(|report| report.finished_ns > 0);
    if let (Ended::Failed(problem), false) = (&ended, has_begun) {
        return Err(problem.clone());
    }
    let mut outcome = Outcome { command, ended, seconds, ..Outcome::default() };
    let mut end_ns = warm_up_ns;
    let mut offered = 0;
    for report in reports {
        let is_whole = report.ended == Ended::Complete;
        end_ns = end_ns.max(match plan.limit {
            Limit::Time(time) if is_whole => {
                report.main.last_reply_ns.max(warm_up_ns + time.as_nanos() as u64)
            }
            Limit::Requests(_) if is_whole => report.main.last_reply_ns,
            _ => report.finished_ns,
        });
        offered += report.main.offered;
        outcome.unanswered += report.unanswered;
        outcome.own_pause_max_us =
            outcome.own_pause_max_us.max(report.own_pause_max_ns as f64 / 1000.0);
        outcome.lateness.add(&report.main.lateness);
        add_errors(&mut outcome.errors, &report.main);
        for (name, figures) in report.kinds.iter().zip(&report.main.kinds) {
            outcome.total.add(figures);
            outcome.kinds.entry(name.clone()).or_default().add(figures);
        }
        if let Some(probe) = report.probe {
            add_errors(&mut outcome.errors, &probe);
            let figures = outcome.probe.get_or_insert_default();
            probe.kinds.iter().for_each(|kind| figures.add(kind));
        }
    }
    outcome.elapsed_s = (end_ns - warm_up_ns) as f64 / 1e9;
    if end_ns > warm_up_ns {
        outcome.rate = outcome.total.requests as f64 / outcome.elapsed_s;
    }
    outcome.offered_rate = match (plan.stream.pace, plan.limit) {
        (Pace::Open { .. }, Limit::Time(time)) if outcome.ended == Ended::Complete => {
            Some(offered as f64 / time.as_secs_f64())
        }
        (Pace::Open { rate, .. }, _) => Some(rate),
        (Pace::Closed { .. }, _) => None,
    };
    let answered: u64 = outcome.seconds.iter().map(|second| second.requests).sum();
    if answered > 0 {
        outcome.own_cpu_us_per_request = used.as_secs_f64() * 1e6 / answered as f64;
    }
    Ok(outcome)
}

fn add_errors(errors: &mut BTreeMap<String, u64>, recorder: &Recorder) {
    for (text, count) in &recorder.errors {
        *errors.entry(text.clone()).or_default() += count;
    }
}
