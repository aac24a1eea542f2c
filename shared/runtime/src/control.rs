//! The control plane: two plain threads for all that must not run on a core.
//!
//! Job: one thread, "control", owns what is outside of the data path and reacts to commands (from
//! cores and from the admin listener) and signals; the other, "jobs", runs work that may block,
//! such as writing a file. In: commands, signals, jobs. Out: calls of the product's handler.
//! Invariant: nobody ever waits to hand something in; queues are bounded, and a full queue is an
//! answer to the caller. Commands run in order, one at a time; so do jobs. A slow job delays other
//! jobs only.

use std::io;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select_biased};

use crate::signals::Signal;

/// Commands that may wait for the control thread.
pub const COMMAND_QUEUE: usize = 1024;
/// Jobs that may wait for the job thread.
pub const JOB_QUEUE: usize = 64;
/// Signals that may wait for the control thread.
const SIGNAL_QUEUE: usize = 16;

/// Work that may block, for the job thread.
pub type Job = Box<dyn FnOnce() + Send>;

/// What a product does on its control thread.
pub trait ControlHandler: Send + 'static {
    /// What cores and the admin listener ask of the control thread.
    type Command: Send + 'static;

    /// Carries a command out. An answer goes by a channel or mesh that the command brings along.
    fn command(&mut self, command: Self::Command);

    /// Reacts to a signal.
    fn signal(&mut self, signal: Signal);
}

/// Why something was not taken. It comes back to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<T> {
    /// The queue is full: try again later, or tell the client that the server is busy.
    Full(T),
    /// The control plane has stopped.
    Stopped(T),
}

/// A queue entry, or the request to end once the entries before it are done.
enum Entry<T> {
    Do(T),
    Stop,
}

/// The running control plane. It stops when this is dropped; see [`Control::stop`].
pub struct Control<C> {
    handle: ControlHandle<C>,
    control: Option<JoinHandle<()>>,
    jobs: Option<JoinHandle<()>>,
}

/// The way into the control plane, for any thread. Cheap to clone.
pub struct ControlHandle<C> {
    commands: Sender<Entry<C>>,
    jobs: Sender<Entry<Job>>,
    signals: Sender<Signal>,
}

impl<C: Send + 'static> Control<C> {
    /// Starts both threads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(handler: impl ControlHandler<Command = C>) -> io::Result<Self> {
        let (commands, command_queue) = bounded(COMMAND_QUEUE);
        let (jobs, job_queue) = bounded(JOB_QUEUE);
        let (signals, signal_queue) = bounded(SIGNAL_QUEUE);
        let mut running =
            Self { handle: ControlHandle { commands, jobs, signals }, control: None, jobs: None };
        let control = thread::Builder::new().name("control".to_owned());
        running.control =
            Some(control.spawn(move || serve(handler, &command_queue, &signal_queue))?);
        let jobs = thread::Builder::new().name("jobs".to_owned());
        running.jobs = Some(jobs.spawn(move || run_jobs(&job_queue))?);
        Ok(running)
    }
}

impl<C> Control<C> {
    /// A way in, for another thread.
    #[must_use]
    pub fn handle(&self) -> ControlHandle<C> {
        self.handle.clone()
    }

    /// Waits until all that was taken before this call is done, then ends both threads. What is
    /// handed in meanwhile may be dropped undone. A panic of the handler or a job goes on here.
    pub fn stop(mut self) {
        for result in self.end() {
            if let Err(panic) = result {
                std::panic::resume_unwind(panic);
            }
        }
    }

    /// Commands end first, for a command may hand in jobs.
    fn end(&mut self) -> [thread::Result<()>; 2] {
        let commands = self.control.take().map_or(Ok(()), |thread| {
            // An error means that the thread has ended by itself, which `join` then tells.
            let _ = self.handle.commands.send(Entry::Stop);
            thread.join()
        });
        let jobs = self.jobs.take().map_or(Ok(()), |thread| {
            let _ = self.handle.jobs.send(Entry::Stop);
            thread.join()
        });
        [commands, jobs]
    }
}

impl<C> Drop for Control<C> {
    fn drop(&mut self) {
        // A panic in one of the threads was already reported by the panic hook.
        let _ = self.end();
    }
}

impl<C> ControlHandle<C> {
    /// Hands a command to the control thread. Never waits.
    ///
    /// # Errors
    /// [`Refused`] with the command, when the queue is full or the control plane has stopped.
    pub fn send(&self, command: C) -> Result<(), Refused<C>> {
        hand_in(&self.commands, command)
    }

    /// Hands work that may block to the job thread. Never waits.
    ///
    /// # Errors
    /// [`Refused`] with the job, when the queue is full or the control plane has stopped.
    pub fn run(&self, job: Job) -> Result<(), Refused<Job>> {
        hand_in(&self.jobs, job)
    }

    /// Hands a signal to the control thread, ahead of waiting commands. Never waits. With many
    /// signals waiting it is merged with those, as the kernel does with equal signals.
    pub fn signal(&self, signal: Signal) {
        // Full: the control thread has enough to react to. Stopped: there is nobody to react.
        let _ = self.signals.try_send(signal);
    }
}

impl<C> Clone for ControlHandle<C> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            jobs: self.jobs.clone(),
            signals: self.signals.clone(),
        }
    }
}

fn hand_in<T>(queue: &Sender<Entry<T>>, item: T) -> Result<(), Refused<T>> {
    queue.try_send(Entry::Do(item)).map_err(|error| {
        let (entry, refused): (_, fn(T) -> Refused<T>) = match error {
            TrySendError::Full(entry) => (entry, Refused::Full),
            TrySendError::Disconnected(entry) => (entry, Refused::Stopped),
        };
        match entry {
            Entry::Do(item) => refused(item),
            Entry::Stop => unreachable!("the entry was made above"),
        }
    })
}

/// The control thread. The channels cannot close before `Stop`: `Control` holds their other ends.
fn serve<H: ControlHandler>(
    mut handler: H,
    commands: &Receiver<Entry<H::Command>>,
    signals: &Receiver<Signal>,
) {
    loop {
        select_biased! {
            recv(signals) -> signal => {
                if let Ok(signal) = signal {
                    handler.signal(signal);
                }
            }
            recv(commands) -> entry => match entry {
                Ok(Entry::Do(command)) => handler.command(command),
                Ok(Entry::Stop) | Err(_) => return,
            }
        }
    }
}

/// The job thread.
fn run_jobs(jobs: &Receiver<Entry<Job>>) {
    while let Ok(Entry::Do(job)) = jobs.recv() {
        job();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[derive(Debug, PartialEq)]
    enum Event {
        Command(u32),
        Signal(Signal),
        Job(u32),
    }

    /// Reports what it is called with; command 0 waits until the test lets it go on.
    struct Reporter {
        events: mpsc::Sender<Event>,
        gate: mpsc::Receiver<()>,
    }

    impl ControlHandler for Reporter {
        type Command = u32;

        fn command(&mut self, command: u32) {
            if command == 0 {
                self.events.send(Event::Command(0)).expect("the test listens");
                self.gate.recv().expect("the test opens the gate");
            } else {
                self.events.send(Event::Command(command)).expect("the test listens");
            }
        }

        fn signal(&mut self, signal: Signal) {
            self.events.send(Event::Signal(signal)).expect("the test listens");
        }
    }

    struct Fixture {
        control: Control<u32>,
        events: mpsc::Receiver<Event>,
        report: mpsc::Sender<Event>,
        gate: mpsc::Sender<()>,
    }

    fn start() -> Fixture {
        let (report, events) = mpsc::channel();
        let (gate, wait) = mpsc::channel();
        let control = Control::start(Reporter { events: report.clone(), gate: wait });
        Fixture { control: control.expect("threads can be started"), events, report, gate }
    }

    #[test]
    fn commands_run_in_order_and_signals_go_ahead() {
        let Fixture { control, events, gate, .. } = start();
        let handle = control.handle();
        assert_eq!(handle.send(0), Ok(()));
        assert_eq!(events.recv(), Ok(Event::Command(0)));
        assert_eq!((handle.send(1), handle.send(2)), (Ok(()), Ok(())));
        handle.signal(Signal::HangUp);
        gate.send(()).expect("the control thread waits");
        for expected in [Event::Signal(Signal::HangUp), Event::Command(1), Event::Command(2)] {
            assert_eq!(events.recv(), Ok(expected));
        }
        control.stop();
    }

    #[test]
    fn a_full_queue_refuses_and_gives_back() {
        let Fixture { control, events, gate, .. } = start();
        let handle = control.handle();
        assert_eq!(handle.send(0), Ok(()));
        assert_eq!(events.recv(), Ok(Event::Command(0)));
        for number in 1..=COMMAND_QUEUE as u32 {
            assert_eq!(handle.send(number), Ok(()));
        }
        assert_eq!(handle.send(5), Err(Refused::Full(5)));
        for _ in 0..SIGNAL_QUEUE * 2 {
            handle.signal(Signal::Terminate);
        }
        gate.send(()).expect("the control thread waits");
        control.stop();
        let rest: Vec<Event> = events.try_iter().collect();
        assert_eq!(rest.len(), SIGNAL_QUEUE + COMMAND_QUEUE, "all that was taken is done");
    }

    #[test]
    fn jobs_run_in_order_beside_the_control_thread() {
        let Fixture { control, events, report, gate } = start();
        let handle = control.handle();
        assert_eq!(handle.send(0), Ok(()));
        assert_eq!(events.recv(), Ok(Event::Command(0)));
        for number in 0..JOB_QUEUE as u32 {
            let report = report.clone();
            let job = move || report.send(Event::Job(number)).expect("the test listens");
            assert!(handle.run(Box::new(job)).is_ok());
        }
        // The control thread still stands at its gate: jobs do not wait for it.
        for number in 0..JOB_QUEUE as u32 {
            assert_eq!(events.recv(), Ok(Event::Job(number)));
        }
        gate.send(()).expect("the control thread waits");
        let (hold, held) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        let slow = move || {
            started.send(()).expect("the test listens");
            assert!(held.recv().is_err(), "the test only closes the channel");
        };
        assert!(handle.run(Box::new(slow)).is_ok());
        start.recv().expect("the job starts");
        for _ in 0..JOB_QUEUE {
            assert!(handle.run(Box::new(|| ())).is_ok());
        }
        assert!(matches!(handle.run(Box::new(|| ())), Err(Refused::Full(_))));
        drop(hold);
        control.stop();
    }

    #[test]
    fn after_the_stop_everything_is_refused() {
        let Fixture { control, events, report, .. } = start();
        let handle = control.handle();
        let last = move || report.send(Event::Job(9)).expect("the test listens");
        assert!(handle.run(Box::new(last)).is_ok());
        assert_eq!(handle.send(7), Ok(()));
        control.stop();
        let mut done: Vec<Event> = events.try_iter().collect();
        done.sort_by_key(|event| matches!(event, Event::Job(_)));
        assert_eq!(done, [Event::Command(7), Event::Job(9)]);
        assert_eq!(handle.send(8), Err(Refused::Stopped(8)));
        assert!(matches!(handle.run(Box::new(|| ())), Err(Refused::Stopped(_))));
        handle.signal(Signal::HangUp);
    }

    #[test]
    #[should_panic(expected = "the job fails")]
    fn a_panic_of_a_job_reaches_whoever_stops() {
        let Fixture { control, .. } = start();
        assert!(control.handle().run(Box::new(|| panic!("the job fails"))).is_ok());
        control.stop();
    }
}
