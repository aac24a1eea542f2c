//! Logging: log lines in Redis's form, to standard output or to a file.
//! In: events of all threads. Out: `1234:M 01 Jan 2026 12:00:00.000 * text`.
//! Invariant: a level can change at any time; a line is written whole; a log that cannot be written
//! never stops the server.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Config;

/// Changes the level of the running subscriber.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Starts logging as the configuration says. Errors are one line for standard error.
pub fn start(config: &Config) -> Result<(), String> {
    let to = Destination {
        file: (!config.log_file.is_empty()).then(|| config.directory.join(&config.log_file)),
    };
    to.open().map_err(|error| format!("Can't open the log file {to}: {error}"))?;
    let (level, handle) = reload::Layer::new(level_of(&config.log_level));
    let lines = tracing_subscriber::fmt::layer().event_format(RedisLines).with_writer(to);
    tracing_subscriber::registry()
        .with(level)
        .with(lines)
        .try_init()
        .map_err(|error| format!("cannot start logging: {error}"))?;
    // Only `start` sets it, and `try_init` succeeds once.
    let _ = LEVEL.set(handle);
    Ok(())
}

/// Puts another `loglevel` into force.
pub fn set_level(name: &str) {
    if let Some(handle) = LEVEL.get() {
        // It fails only when the subscriber is gone; then nobody logs.
        let _ = handle.modify(|level| *level = level_of(name));
    }
}

fn level_of(name: &str) -> LevelFilter {
    match name {
        "debug" => LevelFilter::TRACE,
        "verbose" => LevelFilter::DEBUG,
        "warning" => LevelFilter::WARN,
        "nothing" => LevelFilter::OFF,
        _ => LevelFilter::INFO,
    }
}

/// Where lines go.
struct Destination {
    file: Option<PathBuf>,
}

impl Destination {
    /// The file is opened for each line, as Redis does, so that it may be renamed at any time.
    fn open(&self) -> io::Result<Box<dyn Write>> {
        match &self.file {
            Some(path) => Ok(Box::new(OpenOptions::new().append(true).create(true).open(path)?)),
            None => Ok(Box::new(io::stdout().lock())),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(path) => write!(f, "'{}'", path.display()),
            None => f.write_str("standard output"),
        }
    }
}

impl<'a> MakeWriter<'a> for Destination {
    type Writer = Box<dyn Write>;

    fn make_writer(&'a self) -> Self::Writer {
        self.open().unwrap_or_else(|_| Box::new(io::sink()))
    }
}

/// One event as a line in Redis's form.
struct RedisLines;

impl<S, N> FormatEvent<S, N> for RedisLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = jiff::Zoned::now();
        let mark = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        let time = now.strftime("%d %b %Y %H:%M:%S.%3f");
        write!(writer, "{}:M {time} {mark} ", std::process::id())?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_look_like_those_of_redis_and_levels_can_change() {
        let lines = Lines::default();
        let to = lines.clone();
        let (level, handle) = reload::Layer::new(level_of("notice"));
        let subscriber = tracing_subscriber::registry().with(level).with(
            tracing_subscriber::fmt::layer()
                .event_format(RedisLines)
                .with_writer(move || to.clone()),
        );
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("first {}", 1);
            tracing::debug!("too much");
            handle.modify(|level| *level = level_of("verbose")).expect("it is alive");
            tracing::debug!("second");
            handle.modify(|level| *level = level_of("warning")).expect("it is alive");
            tracing::info!("too much");
            tracing::warn!("third");
        });
        let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        for (line, end) in lines.iter().zip([" * first 1", " - second", " # third"]) {
            assert!(line.starts_with(&format!("{}:M ", std::process::id())), "{line}");
            assert!(line.ends_with(end), "{line}");
            let pid = std::process::id().to_string();
            // "PID:M 01 Jan 2026 12:00:00.000"
            assert_eq!(line.len(), pid.len() + 27 + end.len(), "{line}");
        }
    }
}
