//! The thread that writes a log.
//!
//! Job: write batches of lines to a file or to standard output, and open the file anew when told to.
//! In: messages of cores and of the control thread. Out: bytes in the file; emptied batches.
//! Invariant: it alone waits for the disk, or for the reader of a pipe. A disk that is full or a reader
//! that has gone costs lines, which are counted, and one warning, but never ends the process. What was
//! handed over before a rotation is in the old file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::buffers::{Batch, Buffers};
use super::{LOG_BATCHES_MAX, LOG_FLUSH_MS, LOG_REOPEN_MS, LineOwner, LogTarget};

/// What the writer is told.
pub enum Message<O> {
    /// Lines of a core.
    Lines {
        /// Whose they are.
        core: usize,
        /// The lines.
        batch: Batch<O>,
    },
    /// Open the present target.
    Open,
    /// Nothing follows.
    Stop,
}

/// How everybody else reaches the writer.
pub struct LogHandle<O> {
    messages: Sender<Message<O>>,
    returns: Vec<Receiver<Batch<O>>>,
    target: Arc<Mutex<LogTarget>>,
}

impl<O> Clone for LogHandle<O> {
    fn clone(&self) -> Self {
        let Self { messages, returns, target } = self;
        Self { messages: messages.clone(), returns: returns.clone(), target: target.clone() }
    }
}

/// The thread.
pub struct LogWriter<O> {
    handle: LogHandle<O>,
    /// Closed when it has ended.
    ended: Receiver<()>,
}

impl<O: LineOwner> LogHandle<O> {
    /// The buffers of a core.
    #[must_use]
    pub fn buffers(&self, core: usize) -> Buffers<O> {
        Buffers::new(core, self.messages.clone(), self.returns[core].clone())
    }

    /// Has what follows written to `target`, opened anew.
    pub fn open(&self, target: LogTarget) {
        *lock(&self.target) = target;
        // No room means that others wait to be heeded: the first of them opens the present target.
        let _ = self.messages.try_send(Message::Open);
    }
}

/// Starts the writer of a log, such as "access log", for so many cores.
///
/// # Errors
/// When the file cannot be opened, or the thread cannot start.
pub fn start<O: LineOwner>(
    log: &'static str,
    cores: usize,
    target: LogTarget,
) -> Result<LogWriter<O>, String> {
    let output = match &target {
        // Opening waits for its reader: that is for the thread.
        LogTarget::File(path) if is_pipe(path) => None,
        target => {
            open(target).map_err(|error| format!("cannot open {}: {error}", name(log, target)))?
        }
    };
    // Room for all batches that there can be, and for some words of the control thread.
    let (messages, receiver) = bounded(cores * LOG_BATCHES_MAX + 4);
    let (senders, returns): (Vec<_>, Vec<_>) = (0..cores).map(|_| bounded(LOG_BATCHES_MAX)).unzip();
    let (ends, ended) = bounded(0);
    let target = Arc::new(Mutex::new(target));
    let mut writer = Writer::new(log, output, target.clone());
    std::thread::Builder::new()
        .name(log.replace(' ', "-"))
        .spawn(move || {
            writer.run(&receiver, &senders);
            drop(ends);
        })
        .map_err(|error| format!("cannot start the thread of the {log}: {error}"))?;
    Ok(LogWriter { handle: LogHandle { messages, returns, target }, ended })
}

impl<O: LineOwner> LogWriter<O> {
    /// Reaches it.
    #[must_use]
    pub fn handle(&self) -> &LogHandle<O> {
        &self.handle
    }

    /// Waits until all that was handed over is written, but not for ever: nobody may read the pipe.
    pub fn finish(self) {
        let wait = Duration::from_millis(LOG_FLUSH_MS);
        let by = Instant::now() + wait;
        if self.handle.messages.send_timeout(Message::Stop, wait).is_ok() {
            // Nothing is ever sent: it is closed, or it is too late.
            let _ = self.ended.recv_deadline(by);
        }
    }
}

/// What the thread remembers.
pub(super) struct Writer {
    /// What it is called.
    log: &'static str,
    /// What is open.
    output: Option<File>,
    /// When opening it has failed.
    tried: Option<Instant>,
    /// The last try has failed: that has been said.
    is_failing: bool,
    /// What is there ends within a line.
    is_torn: bool,
    target: Arc<Mutex<LogTarget>>,
}

impl Writer {
    /// One that writes to what is open.
    pub(super) fn new(
        log: &'static str,
        output: Option<File>,
        target: Arc<Mutex<LogTarget>>,
    ) -> Self {
        Self { log, output, tried: None, is_failing: false, is_torn: false, target }
    }

    fn run<O: LineOwner>(&mut self, messages: &Receiver<Message<O>>, returns: &[Sender<Batch<O>>]) {
        for message in messages {
            match message {
                Message::Lines { core, mut batch } => {
                    batch.is_lost = !self.write(&batch.bytes);
                    // A core that has ended wants nothing back.
                    let _ = returns[core].try_send(batch);
                }
                Message::Open => self.open(),
                Message::Stop => return,
            }
        }
    }

    /// Opens the target. One that cannot be opened leaves what was open.
    fn open(&mut self) {
        let target = lock(&self.target).clone();
        match open(&target) {
            Ok(output) => {
                self.output = output;
                self.is_torn = false;
                self.tried = None;
            }
            Err(error) => {
                self.tried = Some(Instant::now());
                self.fail(&error);
            }
        }
    }

    /// True when all is written.
    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        let may_try =
            self.tried.is_none_or(|tried| tried.elapsed() >= Duration::from_millis(LOG_REOPEN_MS));
        if self.output.is_none() && may_try {
            self.open();
        }
        let Some(output) = &mut self.output else {
            return *lock(&self.target) == LogTarget::Off;
        };
        let written = match self.is_torn {
            true => write_all(output, b"\n").and_then(|()| {
                self.is_torn = false;
                write_all(output, bytes)
            }),
            false => write_all(output, bytes),
        };
        match written {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::warn!("the {} can be written again", self.log);
                }
                true
            }
            Err((count, error)) => {
                self.is_torn |= count > 0 && bytes[count - 1] != b'\n';
                self.fail(&error);
                false
            }
        }
    }

    fn fail(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_failing, true) {
            let target = lock(&self.target);
            tracing::warn!(
                "{} cannot be written, lines are lost: {error}",
                name(self.log, &target)
            );
        }
    }
}

/// How much has been written goes along with an error.
fn write_all(output: &mut File, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match output.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

fn open(target: &LogTarget) -> io::Result<Option<File>> {
    match target {
        LogTarget::Off => Ok(None),
        // Without the buffer of the standard library, which keeps lines that could not be written.
        LogTarget::StandardOutput => {
            io::stdout().as_fd().try_clone_to_owned().map(|output| Some(output.into()))
        }
        LogTarget::File(path) => OpenOptions::new().append(true).create(true).open(path).map(Some),
    }
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

fn name(log: &str, target: &LogTarget) -> String {
    match target {
        LogTarget::File(path) => format!("the {log} {}", path.display()),
        LogTarget::StandardOutput => format!("the {log} on standard output"),
        LogTarget::Off => format!("the {log}"),
    }
}

fn lock(target: &Mutex<LogTarget>) -> MutexGuard<'_, LogTarget> {
    target.lock().unwrap_or_else(PoisonError::into_inner)
}
