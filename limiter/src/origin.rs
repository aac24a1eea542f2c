//! Where the configuration comes from while the process runs.
//!
//! Job: read it, and notice that its file is another one. In: a [`Source`]. Out: configurations; calls of
//! whoever reloads. Invariant: each state of the file is read once without being asked for, be it good or
//! bad, and only when it has stayed the same from one look to the next.
//!
//! The path is resolved anew at each look: Kubernetes changes a mounted file by moving a link to the folder
//! above it, which no change of the file itself shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::config::model::Configuration;
use crate::config::{Source, problem_text};
use crate::limits::FILE_PERIOD_MS;

/// What tells a file from the one that was there before: where it really is, its number, its size and when
/// it was changed. None: it is not there.
type Look = Option<(PathBuf, u64, u64, SystemTime)>;

/// The source, and what its file was like when it was last read.
pub struct Origin {
    source: Source,
    read: Mutex<Look>,
}

impl Origin {
    /// One that has not been read.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { source, read: Mutex::default() }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// What is wrong with it, for a terminal.
    pub fn load(&self) -> Result<Configuration, String> {
        // First: what is written meanwhile is another file.
        let look = self.look();
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = look;
        self.source.load().map_err(|problems| problem_text(&self.source, &problems))
    }

    fn look(&self) -> Look {
        match &self.source {
            Source::File { path, .. } => look(path),
            Source::Options(_) => None,
        }
    }

    fn is_read(&self, look: &Look) -> bool {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) == *look
    }
}

fn look(path: &Path) -> Look {
    use std::os::unix::fs::MetadataExt;
    let real = fs::canonicalize(path).ok()?;
    let metadata = fs::metadata(&real).ok()?;
    Some((real, metadata.ino(), metadata.size(), metadata.modified().ok()?))
}

/// A thread that looks at the file now and then. It ends when this is dropped.
pub struct FileWatch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FileWatch {
    /// Calls `reload` when the file is another one than was read; it then is to be read.
    ///
    /// # Errors
    /// One line, when the thread cannot start.
    pub fn start(
        origin: Arc<Origin>,
        mut reload: impl FnMut() + Send + 'static,
    ) -> Result<Self, String> {
        let (stop, stopped) = bounded::<()>(0);
        let run = move || {
            let mut before = origin.look();
            let period = Duration::from_millis(FILE_PERIOD_MS);
            while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                let look = origin.look();
                // One that still changes may be half of what it is to be.
                if look == before && !origin.is_read(&look) {
                    reload();
                }
                before = look;
            }
        };
        let thread = std::thread::Builder::new().name("file-watch".into()).spawn(run);
        let thread = thread
            .map_err(|error| format!("cannot start the thread that watches the file: {error}"))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}
