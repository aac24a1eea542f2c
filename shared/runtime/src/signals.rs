//! Signals of the process, turned into plain values on a thread of their own.
//!
//! Job: keep signals away from the cores and hand them to the control plane. In: SIGTERM, SIGINT,
//! SIGHUP. Out: calls of one handler with a `Signal`.
//! Invariant: once `block` has run, every thread started afterwards has these signals blocked, so
//! none of its system calls is interrupted; only the signal thread takes them, in sigwait(3).
//!
//! A second SIGTERM or SIGINT while a shutdown is under way ends the process at once with exit
//! code 1: whoever asks twice does not want to wait for a slow disk. Nothing can hold this up, so
//! not even a line is logged, for the log may be what hangs.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The signals that a server reacts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGTERM: shut down in good order.
    Terminate,
    /// SIGINT (Ctrl-C): shut down in good order.
    Interrupt,
    /// SIGHUP, when it is not ignored: usually read the configuration again.
    HangUp,
}

/// What SIGHUP does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// Nothing, as in redis-server.
    Ignore,
    /// It is handed on as [`Signal::HangUp`].
    Report,
}

/// The signals are blocked and not yet handed on.
#[must_use = "blocked signals reach nobody until `deliver` hands them on"]
#[derive(Debug)]
pub struct Signals {
    set: SignalSet,
}

/// The thread that hands signals on. It lives as long as the process.
#[derive(Debug, Clone)]
pub struct SignalThread {
    shutting_down: Arc<AtomicBool>,
}

impl Signals {
    /// Blocks the signals for the calling thread and all threads that it starts from now on, and
    /// ignores SIGPIPE. Call it first in `main`: a thread that exists already keeps its own mask.
    ///
    /// # Errors
    /// Those of pthread_sigmask(3) and signal(2).
    pub fn block(hang_up: HangUp) -> io::Result<Self> {
        ignore(libc::SIGPIPE)?;
        let mut numbers = vec![libc::SIGTERM, libc::SIGINT];
        match hang_up {
            HangUp::Ignore => ignore(libc::SIGHUP)?,
            HangUp::Report => numbers.push(libc::SIGHUP),
        }
        let set = SignalSet::of(&numbers)?;
        set.block()?;
        Ok(Self { set })
    }

    /// Starts the thread that calls `handler` for each signal, one after another. Equal signals
    /// that come while one waits are merged by the kernel.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn deliver(
        self,
        mut handler: impl FnMut(Signal) + Send + 'static,
    ) -> io::Result<SignalThread> {
        let shutting_down = Arc::new(AtomicBool::new(false));
        let asked_before = Arc::clone(&shutting_down);
        // The new thread inherits the mask of this one, which may differ from that of `block`.
        self.set.block()?;
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            loop {
                let signal = self.set.wait();
                let ends = matches!(signal, Signal::Terminate | Signal::Interrupt);
                if ends && asked_before.swap(true, Ordering::AcqRel) {
                    // SAFETY: `_exit` has no preconditions; unlike `exit` it runs no code of the
                    // process, whose other threads are still at work.
                    unsafe { libc::_exit(1) };
                }
                handler(signal);
            }
        })?;
        Ok(SignalThread { shutting_down })
    }
}

impl SignalThread {
    /// A shutdown has begun by other means than a signal (a command, say): the next SIGTERM or
    /// SIGINT ends the process at once.
    pub fn shutdown_began(&self) {
        self.shutting_down.store(true, Ordering::Release);
    }

    /// The shutdown was given up: the next SIGTERM or SIGINT asks for a new one.
    pub fn shutdown_cancelled(&self) {
        self.shutting_down.store(false, Ordering::Release);
    }
}

/// A set of signals as the C library keeps it.
#[derive(Clone, Copy)]
struct SignalSet(libc::sigset_t);

impl SignalSet {
    fn of(numbers: &[libc::c_int]) -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `set` is valid for a write.
        check(unsafe { libc::sigemptyset(set.as_mut_ptr()) })?;
        for number in numbers {
            // SAFETY: `sigemptyset` has initialised the set.
            check(unsafe { libc::sigaddset(set.as_mut_ptr(), *number) })?;
        }
        // SAFETY: `sigemptyset` has initialised the set.
        Ok(Self(unsafe { set.assume_init() }))
    }

    /// Blocks the set for the calling thread.
    fn block(&self) -> io::Result<()> {
        // SAFETY: the set is initialised, and no old mask is asked for.
        let error = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const self.0, std::ptr::null_mut())
        };
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
    }

    /// Waits for one signal of the set.
    fn wait(&self) -> Signal {
        loop {
            let mut number = 0;
            // SAFETY: the set is initialised, and `number` is valid for a write.
            let error = unsafe { libc::sigwait(&raw const self.0, &raw mut number) };
            match (error, number) {
                (0, libc::SIGTERM) => return Signal::Terminate,
                (0, libc::SIGINT) => return Signal::Interrupt,
                (0, libc::SIGHUP) => return Signal::HangUp,
                (libc::EINTR, _) => {}
                other => unreachable!("sigwait returned {other:?} for a valid set"),
            }
        }
    }
}

impl std::fmt::Debug for SignalSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SignalSet")
    }
}

fn ignore(number: libc::c_int) -> io::Result<()> {
    // SAFETY: SIG_IGN runs no code, so there is nothing that must be safe in a signal handler.
    let previous = unsafe { libc::signal(number, libc::SIG_IGN) };
    if previous == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
