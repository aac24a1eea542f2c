//! Pid file: the process id in a file, for init scripts.
//! In: `pidfile`. Out: the file, as long as the server runs.
//! Invariant: a file that cannot be written is a warning, as in Redis, and does not stop the
//! server.

use std::path::PathBuf;

/// The file, removed when this is dropped.
pub struct PidFile {
    path: Option<PathBuf>,
}

impl PidFile {
    /// Writes the file; an empty path writes none.
    pub fn write(path: &str) -> PidFile {
        if path.is_empty() {
            return PidFile { path: None };
        }
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        match std::fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => PidFile { path: Some(path) },
            Err(error) => {
                tracing::warn!("Failed to write PID file {}: {error}", path.display());
                PidFile { path: None }
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // It may be gone already; then there is nothing to do.
            let _ = std::fs::remove_file(path);
        }
    }
}
