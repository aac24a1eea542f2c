//! The access log: a line for each request and each connection in TCP mode.
//!
//! Job: tell afterwards who asked for what and how it went, without ever holding up whoever serves. In:
//! what an exchange leaves behind when it ends. Out: lines in a file or on standard output.
//! Invariant: a core never waits for the log, and what waits for the disk is bounded; lines for which
//! there is no room are counted in [`crate::state::ListenerRow::log_lost`].
//!
//! [`record`] keeps what outlives a request's head, [`format`] makes the line, [`ringlet_runtime::log`]
//! brings it to the file.

pub mod format;
#[cfg(test)]
mod format_tests;
mod json;
pub mod record;
pub mod time;

use ringlet_runtime::log::LineOwner;
use ringlet_runtime::log::buffers::Buffers;
use ringlet_runtime::log::writer::LogHandle;

use crate::state::ListenerState;
use time::TimeCache;

/// The log as one core sees it.
pub struct CoreLog {
    /// The time as text.
    pub time: TimeCache,
    /// Its lines.
    pub buffers: Buffers<ListenerState>,
}

impl CoreLog {
    /// The log of a core.
    #[must_use]
    pub fn new(log: &LogHandle<ListenerState>, core: usize) -> Self {
        Self { time: TimeCache::default(), buffers: log.buffers(core) }
    }
}

impl LineOwner for ListenerState {
    fn lost(&self, core: usize, lines: u64) {
        self.rows.of(core).log_lost.add(lines);
    }
}
