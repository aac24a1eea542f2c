//! Log lines on their way from cores to a file.
//!
//! Job: write lines that say what a product has done, without ever holding up whoever serves. In: lines of
//! cores. Out: lines in a file or on standard output. Invariant: a core never waits for the log, and what
//! waits for the disk is bounded; lines for which there is no room are counted by their [`LineOwner`].
//!
//! [`buffers`] collects the lines of a core, [`writer`] is the thread that writes them.

pub mod buffers;
pub mod writer;
#[cfg(test)]
mod writer_tests;

use std::path::PathBuf;

use ringlet_base::config::shown;

/// Bytes of lines after which they go to the writer; the last of them may be longer.
pub const LOG_BATCH_BYTES: usize = 64 << 10;
/// Batches of lines of one core that are being written or wait for that.
pub const LOG_BATCHES_MAX: usize = 16;
/// How long the end of the process waits for a log to be written.
const LOG_FLUSH_MS: u64 = 2000;
/// How long after a failure a log that is not open is tried again.
const LOG_REOPEN_MS: u64 = 1000;

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Nowhere.
    Off,
    /// Standard output.
    StandardOutput,
    /// A file, opened anew on SIGHUP.
    File(PathBuf),
}

impl LogTarget {
    /// Reads what a configuration says.
    ///
    /// # Errors
    /// What it may say.
    pub fn read(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "stdout" => Ok(Self::StandardOutput),
            path if path.contains('/') && !path.contains(char::is_control) => {
                Ok(Self::File(PathBuf::from(path)))
            }
            other => Err(format!(
                "\"{}\" is neither `off`, `stdout` nor a path with a slash in it",
                shown(other)
            )),
        }
    }
}

/// What lines belong to.
pub trait LineOwner: Send + Sync + 'static {
    /// So many of its lines got lost. Called on the core that they come from.
    fn lost(&self, core: usize, lines: u64);
}
