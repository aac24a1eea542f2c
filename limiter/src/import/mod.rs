//! Files of other rate limiters.
//!
//! Job: turn them into a file of ours. In: their text. Out: TOML that [`crate::config`] reads with the
//! same meaning, or all [`Problems`] with their lines. Invariant: what cannot be carried over is a
//! problem or a comment beside the rule, never silence; bad input is a problem, never a panic.

mod envoy;
mod nginx;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ringlet_base::config::{Problem, Problems, read_text, shown};
use ringlet_limit::config::write_rule;
use ringlet_limit::model::{RULES_MAX, Rule};

pub use self::envoy::from_envoy;
pub use self::nginx::from_nginx;

/// The longest file that is imported.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// The longest name of a rule, with room for a number behind it.
const NAME_LENGTH_MAX: usize = 58;

/// A file of ours with the rules of files of Envoy's rate limit service.
///
/// # Errors
/// For a terminal: a line for each problem.
pub fn envoy_files(paths: &[PathBuf]) -> Result<String, String> {
    let read = |path: &PathBuf| Ok((path.display().to_string(), read_text(path, FILE_BYTES_MAX)?));
    let files = paths.iter().map(read).collect::<Result<Vec<_>, String>>()?;
    from_envoy(&files).map_err(|problems| problems.to_string())
}

/// A file of ours with the rules of a configuration of nginx.
///
/// # Errors
/// For a terminal: a line for each problem.
pub fn nginx_file(path: &Path) -> Result<String, String> {
    from_nginx(&read_text(path, FILE_BYTES_MAX)?).map_err(|problems| problems.to_string())
}

/// A problem of one line of a file.
fn problem(file: &str, line: usize, detail: &str) -> Problem {
    let file = if file.is_empty() { String::new() } else { format!("{}, ", shown(file)) };
    Problem { line: Some(line), text: format!("{file}line {line}: {detail}") }
}

/// A file of ours, as it grows.
#[derive(Default)]
struct Output {
    comments: Vec<String>,
    rules: Vec<(Vec<String>, Rule)>,
    names: BTreeSet<String>,
}

impl Output {
    /// Adds a rule, under a name that is like its own and unique; `lost` is what it does not say.
    fn add(&mut self, mut rule: Rule, lost: Vec<String>) {
        let base = rule_name(&rule.name);
        let mut name = base.clone();
        let mut number = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{base}-{number}");
            number += 1;
        }
        rule.name = name;
        self.rules.push((lost, rule));
    }

    /// The file, if nothing was wrong and it is not too long for us.
    fn finish(self, listener: &str, mut problems: Vec<Problem>) -> Result<String, Problems> {
        if self.rules.len() > RULES_MAX {
            let detail = format!("{} rules are more than {RULES_MAX}", self.rules.len());
            problems.push(Problem { line: None, text: detail });
        }
        if !problems.is_empty() {
            return Err(Problems::new(problems));
        }
        let mut text = String::new();
        comment(&mut text, &self.comments);
        text.push_str(listener);
        for (lost, rule) in &self.rules {
            text.push('\n');
            comment(&mut text, lost);
            text.push_str(&write_rule(rule));
        }
        Ok(text)
    }
}

fn comment(text: &mut String, lines: &[String]) {
    for line in lines {
        // What stands in them may be of the file that is imported.
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        text.push_str(&format!("# {line}\n"));
    }
}

fn rule_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(plain).take(NAME_LENGTH_MAX).collect();
    if name.is_empty() { "rule".to_owned() } else { name }
}
