//! The configuration: a TOML file or a command line in, the model out.
//!
//! Job: read, check, fill in what is not said, and write down what holds. In: text, files that it
//! names (error pages). Out: a [`Configuration`], or all [`Problems`] with their lines. Invariant:
//! what [`effective`] writes is read as the same configuration, and bad input is a problem, never a
//! panic.
//!
//! `[defaults]` is read as a listener and as a pool; what it says is what every listener and pool
//! starts from. A reader asks for its keys one by one, so that the code that uses a key is the
//! schema.

mod check;
mod defaults;
mod listener;
mod options;
mod pool;
mod problem;
mod section;
mod server;
mod source;
mod summary;
#[cfg(test)]
mod tests;
mod units;
mod values;
mod words;
mod write;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use self::check::kind_of_word as check_kind;
pub use self::options::{Options, from_options};
pub use self::pool::algorithm_name;
pub use self::problem::{Problem, Problems, nearest};
use self::section::{Document, Section};
pub use self::server::{STATES, WEIGHT_MAX, server};
pub use self::source::Source;
pub use self::summary::summary;
pub use self::values::{LOG_FORMATS, MODES, choice};
pub use self::words::{address, bind_address, tcp_bind_address};
pub use self::write::effective;
use crate::model::{Configuration, Global, LogTarget};

/// Reads a configuration file and the files that it names.
pub fn load(path: &Path) -> Result<Configuration, Problems> {
    let text = read_text(path, defaults::FILE_BYTES_MAX).map_err(Problems::one)?;
    parse(&text, path.parent().unwrap_or(Path::new("")))
}

/// Reads a configuration. Files that it names are looked for in `folder`.
pub fn parse(text: &str, folder: &Path) -> Result<Configuration, Problems> {
    let document = Document::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems = errors.iter().map(|error| {
            let line = document.line(error.span().map_or(0, |span| span.start));
            let text = format!("not TOML, line {line}: {}", error.message());
            Problem { line: Some(line), text }
        });
        return Err(Problems::new(problems.collect()));
    }
    let configuration = read(Section::root(&document, table.get_ref()), folder);
    let problems = document.into_problems();
    if problems.is_empty() { Ok(configuration) } else { Err(Problems::new(problems)) }
}

fn read(root: Section<'_>, folder: &Path) -> Configuration {
    let mut global = defaults::global();
    if let Some(section) = root.table("global") {
        read_global(section, &mut global);
    }
    let mut pool_base = defaults::pool();
    let mut listener_base = defaults::listener();
    if let Some(section) = root.table("defaults") {
        pool::settings(&section, &mut pool_base);
        listener::settings(&section, &mut listener_base, folder);
        section.finish_with(|key| match key {
            "maxconn" => Some("a listener's and a pool's differ: say it there".to_owned()),
            "bind" | "route" | "default_pool" => Some("it belongs to a listener".to_owned()),
            "servers" => Some("it belongs to a pool".to_owned()),
            _ => None,
        });
    }
    let pools = pool::read_all(&root, &pool_base);
    listener_base.connections_max = global.connections_max;
    let listeners = listener::read_all(&root, &listener_base, &pools, folder);
    root.finish();
    Configuration { global, listeners, pools }
}

fn read_global(section: Section<'_>, global: &mut Global) {
    section.set("cores", &mut global.cores, values::number(0, CORES_MAX));
    if let Some(admin) = section.get("admin", values::text_as(tcp_bind_address)) {
        global.admin = Some(admin);
    }
    section.set("maxconn", &mut global.connections_max, values::number(1, CONNECTIONS_MAX));
    section.set("drain_timeout", &mut global.drain_timeout_ms, values::time);
    section.set("access_log", &mut global.log, values::text_as(log_target));
    section.finish();
}

/// The most cores that may be asked for.
pub const CORES_MAX: usize = 1024;
/// The most connections, requests or places in a queue that may be asked for.
const CONNECTIONS_MAX: u32 = 16_000_000;

fn log_target(text: &str) -> Result<LogTarget, String> {
    match text {
        "off" => Ok(LogTarget::Off),
        "stdout" => Ok(LogTarget::StandardOutput),
        path if path.contains('/') && !path.contains(char::is_control) => {
            Ok(LogTarget::File(PathBuf::from(path)))
        }
        other => Err(format!(
            "\"{}\" is neither `off`, `stdout` nor a path with a slash in it",
            units::shown(other)
        )),
    }
}

/// The text of a file, if it is not too large.
fn read_text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| wrong(&error))?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(wrong(&format!("it has more than {}", units::write_size(bytes_max))));
    }
    String::from_utf8(bytes).map_err(|_| wrong(&"it is not UTF-8"))
}
