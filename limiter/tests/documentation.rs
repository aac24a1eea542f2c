//! Job: hold docs/limiter.md to the program: its examples load, and it names every key, option, algorithm
//! and metric. In: the page, docs/deploy/limits.toml, which has every key, the readers of keys and the
//! writer of metrics. Out: failures. Invariant: nothing is started but `--help`.

use std::collections::BTreeSet;
use std::process::Command;

use ringlet_limit::algorithm::ALGORITHMS;
use ringlet_limiter::config;
use toml::{Table, Value};

const PAGE: &str = include_str!("../../docs/limiter.md");
const EVERY_KEY: &str = include_str!("../../docs/deploy/limits.toml");

/// Where keys are read.
const READERS: [&str; 6] = [
    include_str!("../src/config/mod.rs"),
    include_str!("../src/config/listener.rs"),
    include_str!("../library/src/config/mod.rs"),
    include_str!("../library/src/config/store.rs"),
    include_str!("../library/src/config/rule.rs"),
    include_str!("../library/src/config/limit.rs"),
];
/// How they are read.
const CALLS: [&str; 5] = ["set", "get", "list", "filled_list", "table"];
/// Where metrics are written.
const METRICS: &str = include_str!("../src/admin/metrics.rs");

#[test]
fn the_examples_are_right() {
    let examples = PAGE.split("```toml\n").skip(1);
    let examples: Vec<&str> =
        examples.map(|rest| rest.split_once("```").expect("an end").0).collect();
    assert!(examples.len() >= 5, "only {} examples", examples.len());
    for example in examples.into_iter().chain([EVERY_KEY]) {
        if let Err(problems) = config::parse(example) {
            panic!("{problems}\n{example}");
        }
    }
}

#[test]
fn every_key_is_explained() {
    let file: Table = EVERY_KEY.parse().expect("TOML");
    let mut keys = BTreeSet::new();
    for (name, value) in &file {
        let sections: Vec<&Value> = match value {
            Value::Table(rules) if name == "rule" => rules.values().collect(),
            Value::Array(listeners) => listeners.iter().collect(),
            section => vec![section],
        };
        let tables = sections.into_iter().filter_map(Value::as_table);
        keys.extend(tables.flat_map(|table| table.keys().cloned()));
    }
    let read: BTreeSet<String> = READERS.iter().flat_map(|text| keys_read(text)).collect();
    assert!(read.len() > 40, "only {read:?}");
    assert_eq!(read.difference(&keys).collect::<Vec<_>>(), [""; 0], "docs/deploy/limits.toml");
    assert_rows(keys);
}

/// Keys that a reader asks its section for.
fn keys_read(text: &str) -> impl Iterator<Item = String> {
    text.split("section.").skip(1).filter_map(|rest| {
        let (call, rest) = rest.split_once('(')?;
        let (key, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        CALLS.contains(&call).then(|| key.to_owned())
    })
}

#[test]
fn every_algorithm_is_explained() {
    assert_rows(ALGORITHMS.iter().map(|algorithm| algorithm.name.to_owned()));
}

#[test]
fn every_metric_is_explained_and_no_other() {
    // Every other piece is between quotes.
    let texts = METRICS.split('"').skip(1).step_by(2);
    let written: BTreeSet<&str> =
        texts.filter(|text| text.starts_with("ringlet_limiter_")).collect();
    assert!(written.len() > 25, "only {written:?}");
    let rows = PAGE.split("\n| `").skip(1).filter_map(|row| row.split_once('`'));
    let explained: BTreeSet<&str> =
        rows.map(|(name, _)| name).filter(|name| name.starts_with("ringlet_limiter_")).collect();
    assert_eq!(explained, written);
}

#[test]
fn every_option_is_explained() {
    let program = env!("CARGO_BIN_EXE_ringlet-limiter");
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
