//! What is wrong with a configuration, told so that it can be put right.
//!
//! Job: collect problems, quote what was found and find what was meant. In: sentences, user text. Out: sentences in
//! the order of the file. Invariant: the same problem is told once.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line of the file; `None` for what concerns all of it.
    pub line: Option<usize>,
    /// All of it in words, with the line.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All that is wrong with one configuration, by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// A single problem of the whole file.
    #[must_use]
    pub fn one(text: impl Into<String>) -> Self {
        Self(vec![Problem { line: None, text: text.into() }])
    }

    /// Sorts what was found.
    #[must_use]
    pub fn new(mut found: Vec<Problem>) -> Self {
        found.sort();
        found.dedup();
        Self(found)
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

/// One line for each.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// User text for an error, in one short line.
pub fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let mut out: String = text.chars().take(SHOWN_MAX).flat_map(|c| c.escape_debug()).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        out.push_str("...");
    }
    out
}

/// Names in backticks with commas.
pub fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// "; did you mean `interval`?", or nothing if no candidate is near.
#[must_use]
pub fn suggestion<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(found, candidates) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => String::new(),
    }
}

/// The candidate that is nearest to what was found, if a typing error explains the difference.
#[must_use]
pub fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = found.chars().count();
    if length > NAME_LENGTH_MAX {
        return None;
    }
    let furthest = 1 + length / 4;
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= NAME_LENGTH_MAX)
        .map(|candidate| (distance(found, candidate), candidate))
        .filter(|(distance, _)| *distance <= furthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Names that are longer are not compared.
const NAME_LENGTH_MAX: usize = 64;

/// Letters to insert, remove, change or swap with their neighbour, without regard to case and to
/// the kind of dash.
fn distance(one: &str, other: &str) -> usize {
    let letters = |text: &str| -> Vec<char> {
        text.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (one, other) = (letters(one), letters(other));
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut next = vec![i];
        for j in 1..=other.len() {
            let changed = usize::from(one[i - 1] != other[j - 1]);
            let mut least = (row[j] + 1).min(next[j - 1] + 1).min(row[j - 1] + changed);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_far_ones_are_not() {
        let names = ["interval", "fast_interval", "timeout", "fall"];
        assert_eq!(nearest("interal", names), Some("interval"));
        assert_eq!(nearest("fast-interval", names), Some("fast_interval"));
        assert_eq!(nearest("TimeOut", names), Some("timeout"));
        assert_eq!(nearest("flal", names), Some("fall"));
        assert_eq!(nearest("inter", names), None);
        assert_eq!(nearest("", names), None);
    }
}
