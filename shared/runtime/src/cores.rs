//! Cores: how many, where, and the executor of each.
//!
//! Job: find out how many CPUs this process may use, and run one thread with one executor on each.
//! In: the affinity mask, cgroup quotas, a number of cores. Out: a future run per core.
//! Invariant: a core's panic ends the process: half a server would lose data silently.

mod cgroup;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use glommio::{LocalExecutorBuilder, Placement as Pin, PoolPlacement};

/// Memory that glommio registers for disk I/O per core: its minimum, as we use buffered files.
const IO_MEMORY_BYTES: usize = 64 << 10;

/// When glommio's reactor asks to be visited although nothing has happened: practically never.
///
/// If this timer fires between the moment when glommio 0.9 arms it and its first look at the tasks
/// (a thread may be off its CPU for that long), glommio goes to sleep with runnable tasks and
/// nothing ever wakes it (`LocalExecutor::run_task_queues` says that nothing ran). So it must be
/// far longer than any such pause; visits are made by [`yield_to_executor`] instead.
const PREEMPT_TIMER: Duration = Duration::from_secs(3600);

/// A timer so short that it has passed when the reactor looks.
const AT_ONCE: Duration = Duration::from_micros(1);

/// Number of a core, from 0.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct CoreIndex(pub usize);

impl fmt::Display for CoreIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The CPUs that this process may use.
#[derive(Clone, PartialEq, Debug)]
pub struct Placement {
    /// CPU numbers of the affinity mask, ascending (cgroup cpusets are contained in it).
    pub cpus: Vec<usize>,
    /// The cgroup's quota in CPUs, if there is one.
    pub quota: Option<f64>,
}

impl Placement {
    /// How many cores make sense: the CPUs, but no more than the quota, rounded up.
    pub fn cores(&self) -> usize {
        let quota = self.quota.map_or(usize::MAX, |quota| quota.ceil().max(1.0) as usize);
        self.cpus.len().min(quota).max(1)
    }

    /// Whether each of `cores` threads gets a CPU of its own: only if they take all CPUs of this
    /// process, for else several processes would pin to the first ones and leave the rest idle.
    pub fn pins(&self, cores: usize) -> bool {
        self.cpus.len() == cores && self.quota.is_none_or(|quota| quota >= cores as f64)
    }

    /// A warning if `cores` threads would be throttled by the quota.
    pub fn warning(&self, cores: usize) -> Option<String> {
        let quota = self.quota.filter(|&quota| quota < cores as f64)?;
        Some(format!(
            "{cores} cores share a cgroup quota of {quota:.2} CPUs: the kernel will throttle them and \
             latency will suffer; raise the quota or run fewer cores"
        ))
    }
}

/// The CPUs that this process may use now: sched_getaffinity(2) and the CPU quota of the cgroup.
pub fn available_cores() -> Placement {
    let mut cpus = affinity();
    if cpus.is_empty() {
        // A machine with more CPUs than the mask has bits: let the scheduler choose.
        let count = thread::available_parallelism().map_or(1, usize::from);
        cpus = (0..count).collect();
    }
    Placement { cpus, quota: cgroup::quota() }
}

fn affinity() -> Vec<usize> {
    // SAFETY: all-zero bytes are a valid, empty `cpu_set_t`.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes at most the size given, into `set`.
    let got = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if got != 0 {
        return Vec::new();
    }
    let count = libc::CPU_SETSIZE as usize;
    // SAFETY: each index lies within the set.
    (0..count).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Why the cores did not run.
#[derive(Debug)]
pub enum CoreError {
    /// The operating system gave no thread.
    Thread {
        /// Which core.
        core: CoreIndex,
        /// Why.
        source: io::Error,
    },
    /// glommio made no executor.
    Executor {
        /// Which core.
        core: CoreIndex,
        /// Why, in its words.
        reason: String,
    },
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CoreError::Thread { core, source } => {
                write!(f, "cannot start the thread of core {core}: {source} (see ulimit -u)")
            }
            CoreError::Executor { core, reason } => {
                write!(f, "cannot start the executor of core {core}: {reason} (try --check)")
            }
        }
    }
}

impl std::error::Error for CoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CoreError::Thread { source, .. } => Some(source),
            CoreError::Executor { .. } => None,
        }
    }
}

/// Where the threads of all cores meet once, before any of them runs its `main`.
struct Start {
    cores: usize,
    state: Mutex<StartState>,
    changed: Condvar,
}

#[derive(Default)]
struct StartState {
    ready: usize,
    has_failed: bool,
}

impl Start {
    fn new(cores: usize) -> Self {
        Self { cores, state: Mutex::default(), changed: Condvar::new() }
    }

    /// This core can run: waits for the others; true when all can.
    fn is_complete(&self) -> bool {
        let mut state = self.lock();
        state.ready += 1;
        self.changed.notify_all();
        let waits = |state: &mut StartState| state.ready < self.cores && !state.has_failed;
        let state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        !state.has_failed
    }

    /// A core cannot run, so none shall.
    fn fail(&self) {
        self.lock().has_failed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, StartState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `main(core)` on `cores` threads named `ringlet-0` and so on, each with an executor of its
/// own, and returns when all have ended. No `main` begins before every core has its executor.
///
/// Each is pinned to a CPU if they use all of them, see [`Placement::pins`]; otherwise they float.
///
/// # Errors
/// A core could not start. Then no `main` has run on any.
pub fn run<M, F>(cores: usize, main: M) -> Result<(), CoreError>
where
    M: Fn(CoreIndex) -> F + Send + Clone + 'static,
    F: Future<Output = ()> + 'static,
{
    let placement = available_cores();
    let pins = placement.pins(cores);
    let start = Arc::new(Start::new(cores));
    let mut threads = Vec::with_capacity(cores);
    let mut failure = None;
    for index in 0..cores {
        let core = CoreIndex(index);
        let (main, start_of_all) = (main.clone(), start.clone());
        let cpu = pins.then(|| placement.cpus[index]);
        let spawned = thread::Builder::new()
            .name(format!("ringlet-{index}"))
            .spawn(move || run_core(core, cpu, &start_of_all, main));
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(source) => {
                start.fail();
                failure = Some(CoreError::Thread { core, source });
                break;
            }
        }
    }
    for thread in threads {
        // A panic has ended the process already, see `AbortOnPanic`.
        if let Ok(Err(error)) = thread.join() {
            failure.get_or_insert(error);
        }
    }
    failure.map_or(Ok(()), Err)
}

fn run_core<M, F>(
    core: CoreIndex,
    cpu: Option<usize>,
    start: &Start,
    main: M,
) -> Result<(), CoreError>
where
    M: Fn(CoreIndex) -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    let _guard = AbortOnPanic(core);
    let executor = LocalExecutorBuilder::new(cpu.map_or(Pin::Unbound, Pin::Fixed))
        .io_memory(IO_MEMORY_BYTES)
        .preempt_timer(PREEMPT_TIMER)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
        .make()
        .map_err(|error| {
            start.fail();
            CoreError::Executor { core, reason: error.to_string() }
        })?;
    if !start.is_complete() {
        return Ok(());
    }
    executor.run(async move {
        // The first sleep of a process registers for membarrier(2), which takes tens of
        // milliseconds on some kernels: not while clients wait.
        glommio::timer::sleep(AT_ONCE).await;
        main(core).await;
    });
    Ok(())
}

/// Ends the process when a core's thread unwinds.
struct AbortOnPanic(CoreIndex);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "core {} has panicked (see above): this is a bug; ending the process",
                self.0
            );
            std::process::abort();
        }
    }
}

/// Whether another thread has woken a task of this core's executor, or a blocking call has ended:
/// then visit the executor before the next tick. One memory compare.
pub fn executor_wants_visit() -> bool {
    glommio::executor().need_preempt()
}

/// Lets the other tasks of this core's executor run until each waits for something, and has its
/// reactor submit and collect file I/O and timers. To be called on each tick, as the core's main
/// task otherwise blocks in `NetRing::wait` and starves them. Costs some four system calls.
///
/// The tasks beside the main one must wait for something now and then: one that only yields would
/// keep the main task from coming back.
pub async fn yield_to_executor() {
    glommio::timer::sleep(AT_ONCE).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn there_is_at_least_one_cpu_and_the_quota_caps() {
        let here = available_cores();
        assert!(here.cores() >= 1 && here.cores() <= here.cpus.len());
        let placement = Placement { cpus: vec![0, 1, 2, 3], quota: Some(1.5) };
        assert_eq!(placement.cores(), 2);
        assert!(placement.warning(2).unwrap().contains("throttle"));
        assert_eq!(placement.warning(1), None);
        assert_eq!(Placement { cpus: vec![5], quota: None }.cores(), 1);
    }

    #[test]
    fn each_core_runs_once_on_its_own_thread() {
        let sum = Arc::new(AtomicUsize::new(0));
        let seen = sum.clone();
        run(3, move |core| {
            let seen = seen.clone();
            async move {
                let name = format!("ringlet-{core}");
                assert_eq!(thread::current().name(), Some(name.as_str()));
                seen.fetch_add(1 << (8 * core.0), Ordering::SeqCst);
            }
        })
        .unwrap();
        assert_eq!(sum.load(Ordering::SeqCst), 0x01_01_01);
    }

    async fn never(core: CoreIndex) {
        panic!("core {core} runs without the other");
    }

    #[test]
    fn no_core_runs_when_one_cannot_start() {
        const NO_SUCH_CPU: usize = 1 << 20;
        for cpus in [[None, Some(NO_SUCH_CPU)], [Some(NO_SUCH_CPU), None]] {
            let start = Start::new(cpus.len());
            let outcomes: Vec<_> = thread::scope(|scope| {
                let run = |(index, &cpu)| run_core(CoreIndex(index), cpu, &start, never);
                let spawn = |core| scope.spawn(move || run(core));
                let threads: Vec<_> = cpus.iter().enumerate().map(spawn).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for (outcome, cpu) in outcomes.iter().zip(cpus) {
                assert_eq!(outcome.is_err(), cpu.is_some(), "{outcome:?}");
            }
        }
    }

    #[test]
    fn cores_are_pinned_only_when_they_take_all_cpus() {
        let placement = |cpus: &[usize], quota| Placement { cpus: cpus.to_vec(), quota };
        assert!(placement(&[0, 1], None).pins(2));
        assert!(placement(&[5], Some(1.0)).pins(1));
        assert!(!placement(&[0, 1], None).pins(1), "another process would choose the same CPU");
        assert!(!placement(&[0, 1], None).pins(4));
        assert!(!placement(&[0, 1], Some(1.5)).pins(2), "the kernel will move them about");
    }

    #[test]
    fn cores_stay_on_their_cpus() {
        let placement = available_cores();
        for cores in [1, placement.cpus.len()] {
            let placement = placement.clone();
            run(cores, move |core| {
                let allowed = match placement.pins(cores) {
                    true => vec![placement.cpus[core.0]],
                    false => placement.cpus.clone(),
                };
                async move { assert_eq!(affinity(), allowed) }
            })
            .unwrap();
        }
    }

    #[test]
    fn visits_let_tasks_and_files_make_progress() {
        run(1, |_| async {
            let done = Rc::new(Cell::new(false));
            let flag = done.clone();
            glommio::spawn_local(async move {
                let file = glommio::io::BufferedFile::open("/proc/self/status").await.unwrap();
                let read = file.read_at(0, 16).await.unwrap();
                assert_eq!(&read[..5], b"Name:");
                file.close().await.unwrap();
                flag.set(true);
            })
            .detach();
            for _ in 0..2000 {
                thread::sleep(Duration::from_millis(1));
                yield_to_executor().await;
                if done.get() {
                    return;
                }
            }
            panic!("the file was not read in two thousand visits");
        })
        .unwrap();
    }
}
