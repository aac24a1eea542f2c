//! Job: hold docs/lb.md to the program: its examples load, and it names every key, option and
//! algorithm. In: the page, and docs/deploy/lb.toml, which has every key. Out: failures.
//! Invariant: nothing is started.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use ringlet_lb::balance::ALGORITHMS;
use ringlet_lb::config;
use toml::{Table, Value};

const PAGE: &str = include_str!("../../docs/lb.md");
const EVERY_KEY: &str = include_str!("../../docs/deploy/lb.toml");

/// Tables whose keys are the user's own names.
const OWN_NAMES: [&str; 5] = ["set", "add", "headers", "errors", "header"];

#[test]
fn the_examples_are_right() {
    let examples: Vec<&str> = PAGE
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("an end").0)
        .collect();
    assert!(examples.len() >= 5, "only {} examples", examples.len());
    for example in examples {
        if let Err(problems) = config::parse(example, Path::new("")) {
            panic!("{problems}\n{example}");
        }
    }
}

#[test]
fn every_key_is_explained() {
    let file: Table = EVERY_KEY.parse().expect("TOML");
    let mut keys = BTreeSet::new();
    collect(&file, &mut keys);
    assert!(keys.len() > 70, "only {} keys", keys.len());
    assert_rows(keys);
}

#[test]
fn every_algorithm_is_explained() {
    assert_rows(ALGORITHMS.iter().map(|algorithm| algorithm.name.to_owned()));
}

#[test]
fn every_option_is_explained() {
    let program = env!("CARGO_BIN_EXE_ringlet-lb");
    let output = Command::new(program).arg("--help").output().expect("it starts");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = help.split_ascii_whitespace().filter(|word| word.starts_with("--"));
    let options: BTreeSet<&str> =
        words.filter(|word| !["--help", "--version"].contains(word)).collect();
    assert!(options.len() >= 8, "{options:?}");
    for option in options {
        assert!(PAGE.contains(&format!("| `{option} ")), "{option} has no row");
    }
}

/// Each stands first in a row of some table.
fn assert_rows(names: impl IntoIterator<Item = String>) {
    for name in names {
        assert!(PAGE.contains(&format!("\n| `{name}`")), "`{name}` has no row");
    }
}

/// The keys of a table and of all below it, but for the names of sections, which have headings.
fn collect(table: &Table, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let inner: Vec<&Table> = match value {
            Value::Table(inner) => vec![inner],
            Value::Array(items) => items.iter().filter_map(Value::as_table).collect(),
            _ => Vec::new(),
        };
        if inner.is_empty() || OWN_NAMES.contains(&key.as_str()) {
            keys.insert(key.clone());
        } else if ["pool", "rate_limit"].contains(&key.as_str()) {
            inner
                .iter()
                .flat_map(|pools| pools.values())
                .filter_map(Value::as_table)
                .for_each(|pool| collect(pool, keys));
        } else {
            inner.into_iter().for_each(|table| collect(table, keys));
        }
    }
}
