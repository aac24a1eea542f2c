//! Job: what the cores of a run tell each other and the thread that collects.
//! In: cores that are connected, a wish to stop. Out: the common start, messages, reports.
//! Invariant: no core sends before all are connected; one that fails stops all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ringlet_runtime::clock::monotonic_ns;

use super::recorder::Recorder;
use crate::generator::outcome::{Ended, Interval};

/// The start lies so far ahead of the last core's arrival that all cores see it in time.
const LEAD_NS: u64 = 3_000_000;

/// What all cores of a run see.
#[derive(Debug)]
pub struct Shared {
    cores: usize,
    arrived: AtomicUsize,
    /// By the monotonic clock; 0 while cores are missing.
    start_ns: AtomicU64,
    /// Set by a core that fails, and by the user.
    failed: AtomicBool,
    stop: Arc<AtomicBool>,
}

impl Shared {
    /// For so many cores; `stop` is the user's.
    pub fn new(cores: usize, stop: Arc<AtomicBool>) -> Self {
        Self {
            cores,
            arrived: AtomicUsize::new(0),
            start_ns: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            stop,
        }
    }

    /// The monotonic clock.
    pub fn now_ns(&self) -> u64 {
        monotonic_ns()
    }

    /// A core has its connections. The last one to say so sets the start.
    pub fn arrive(&self) {
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.cores {
            self.start_ns.store(self.now_ns() + LEAD_NS, Ordering::Release);
        }
    }

    /// When the load starts, once that is known.
    pub fn start_ns(&self) -> Option<u64> {
        Some(self.start_ns.load(Ordering::Acquire)).filter(|&start_ns| start_ns > 0)
    }

    /// Ends the run on all cores.
    pub fn stop(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether the run is to end.
    pub fn is_stopped(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed)
    }
}

/// What one core saw.
#[derive(Debug)]
pub struct CoreReport {
    /// The names of the kinds of requests.
    pub kinds: Vec<String>,
    /// The load.
    pub main: Recorder,
    /// The bystander.
    pub probe: Option<Recorder>,
    /// The second in which it ended.
    pub last: Interval,
    /// Requests without reply at the end.
    pub unanswered: u64,
    /// Longest pass, less what it may sleep.
    pub own_pause_max_ns: u64,
    /// When it ended, in nanoseconds since the start.
    pub finished_ns: u64,
    /// How.
    pub ended: Ended,
}

/// From a core to the thread that collects.
#[derive(Debug)]
pub enum Message {
    /// A second has ended.
    Interval(Interval),
    /// The core has ended.
    Done(Box<CoreReport>),
    /// The core could not begin.
    Refused(String),
}
