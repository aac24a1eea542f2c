//! Configuration files: strict TOML, and every mistake told with its line.
//!
//! Job: parse a file, give its tables to a reader of the server, and collect what is wrong. In:
//! text, and a function that reads the root table. Out: what the function makes of it, or all
//! [`Problems`]. Invariant: bad input is a problem, never a panic, and a key that no reader asks for
//! is one too.
//!
//! A reader asks a [`Section`] for its keys one by one, so that the code that uses a key is the
//! schema, and ends with [`Section::finish`].

mod problem;
mod section;
#[cfg(test)]
mod tests;
pub mod units;
pub mod values;
mod words;

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::de::DeTable;

pub use self::problem::{Problem, Problems, listed, nearest, shown, suggestion};
use self::section::Document;
pub use self::section::{Section, Value, items};
pub use self::words::{
    NAME_LENGTH_MAX, address, bind_address, is_host_name, name, tcp_bind_address,
};

/// Parses a file and has `read` make something of its root table.
///
/// # Errors
/// All that is not TOML, or else all that `read` found wrong.
pub fn parse<T>(text: &str, read: impl FnOnce(Section<'_>) -> T) -> Result<T, Problems> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return read_table(text, table.get_ref(), read).map_err(Problems::new);
    }
    let document = Document::new(text);
    let problems = errors.iter().map(|error| {
        let line = document.line(error.span().map_or(0, |span| span.start));
        let text = format!("not TOML, line {line}: {}", error.message());
        Problem { line: Some(line), text }
    });
    Err(Problems::new(problems.collect()))
}

/// Has `read` make something of a table that came from `text` in another way than as TOML.
///
/// # Errors
/// All that `read` found wrong, in the order in which it did.
pub fn read_table<T>(
    text: &str,
    table: &DeTable<'_>,
    read: impl FnOnce(Section<'_>) -> T,
) -> Result<T, Vec<Problem>> {
    let document = Document::new(text);
    let made = read(Section::root(&document, table));
    let problems = document.into_problems();
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}

/// The text of a file, if it is not too large.
///
/// # Errors
/// The path, and why its text cannot be had.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let wrong = |error: &dyn Display| format!("cannot read {}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| wrong(&error))?;
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(wrong(&format!("it has more than {}", units::write_size(bytes_max))));
    }
    String::from_utf8(bytes).map_err(|_| wrong(&"it is not UTF-8"))
}
