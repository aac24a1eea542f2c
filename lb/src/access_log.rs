//! The access log: a line for each request and each connection in TCP mode.
//!
//! Job: tell afterwards who asked for what and how it went, without ever holding up whoever serves. In:
//! what an exchange leaves behind when it ends. Out: lines in a file or on standard output.
//! Invariant: a core never waits for the log, and what waits for the disk is bounded; lines for which
//! there is no room are counted in [`crate::state::ListenerRow::log_lost`].
//!
//! [`record`] keeps what outlives a request's head, [`format`] makes the line, [`buffers`] collects the
//! lines of a core, [`writer`] is the thread that writes them.

pub mod buffers;
pub mod format;
#[cfg(test)]
mod format_tests;
mod json;
pub mod record;
pub mod time;
pub mod writer;
#[cfg(test)]
mod writer_tests;
