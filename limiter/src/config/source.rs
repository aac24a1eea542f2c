//! Where a configuration comes from, so that it can be read again.
//!
//! Job: load, and load anew on a reload. In: a file or options. Out: a configuration. Invariant:
//! what a command line says beside a file holds after every reload too.

use std::fmt;
use std::path::PathBuf;

use super::model::Configuration;
use super::{Options, Problems, from_options, load};

/// A file, or a command line alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// `--cores`, in the place of what the file says.
        cores: Option<usize>,
        /// `--admin`, in the place of what the file says; it may say that there is none.
        admin: Option<Option<String>>,
    },
    /// No file.
    Options(Options),
}

impl Source {
    /// Reads it, at the start and for each reload.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(&self) -> Result<Configuration, Problems> {
        let (path, cores, admin) = match self {
            Self::File { path, cores, admin } => (path, cores, admin),
            Self::Options(options) => return from_options(options),
        };
        let mut configuration = load(path)?;
        if let Some(cores) = cores {
            configuration.global.cores = *cores;
        }
        if let Some(admin) = admin {
            configuration.global.admin.clone_from(admin);
        }
        Ok(configuration)
    }
}

/// What is wrong with a configuration, for a terminal: each problem on a line of its own, after the
/// name of what was read.
#[must_use]
pub fn problem_text(source: &Source, problems: &Problems) -> String {
    // Who could not read a file at all has named it.
    let named = format!("cannot read {source}: ");
    let line = |text: String| {
        if text.starts_with(&named) { text } else { format!("{source}: {text}") }
    };
    let lines: Vec<String> = problems.iter().map(|problem| line(problem.to_string())).collect();
    lines.join("\n")
}

/// As it stands in messages.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "{}", path.display()),
            Self::Options(_) => f.write_str("the command line"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_named_once() {
        let path = PathBuf::from("no/such.toml");
        let source = Source::File { path: path.clone(), cores: None, admin: None };
        let missing = load(&path).expect_err("there is no such file");
        let text = problem_text(&source, &missing);
        assert!(text.starts_with("cannot read no/such.toml: No such file"), "{text}");
        let empty = super::super::parse("").expect_err("there is no listener");
        let text = problem_text(&source, &empty);
        assert!(text.starts_with("no/such.toml: "), "{text}");
    }
}
