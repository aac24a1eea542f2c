//! Job: seeded random command streams for two servers, whose replies and datasets must be equal.
//! In: the addresses of a redis-server 7.0.15 and of the server under test, a seed, bounds.
//! Out: a [`Report`] with every distinct mismatch, each with a short stream that shows it.
//! Invariant: equal seeds send equal streams (absolute expire times apart).
//!
//! Data flows: `table` (templates) -> `grammar` + `words` (lines) -> `round` (steps) -> `player` or
//! `blocking` (replies of both sides) -> `compare` + `exceptions` (verdict) -> `shrink` -> report.
//! What a random stream cannot send has lists of its own: `fixed`, `publish`, `raw`.

mod blocking;
pub mod compare;
pub mod dataset;
pub mod exceptions;
pub mod fixed;
pub mod grammar;
pub mod player;
pub mod publish;
pub mod raw;
pub mod round;
mod shrink;
mod side;
pub mod table;
pub mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::random::Choices;
use player::{Mismatch, PREPARATION, Pair, typed};
use round::{Round, Step};
use words::Words;

/// Commands in one round.
const ROUND_LENGTH: usize = 220;

/// How much is checked.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Round numbers are added to it.
    pub seed: u64,
    /// Stop after this time.
    pub time: Duration,
    /// Stop after so many rounds.
    pub rounds_max: u64,
    /// Stop after so many distinct mismatches.
    pub mismatches_max: usize,
    /// Time to shrink one mismatch.
    pub shrink_time: Duration,
    /// First words of rows that are left out.
    pub skip: Vec<String>,
    /// Whether there are rounds with commands that block.
    pub blocking: bool,
}

/// One mismatch with the way to see it again.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Seed that gives this round as round 0.
    pub seed: u64,
    /// Whether the connections spoke RESP3.
    pub resp3: bool,
    /// Directives set before.
    pub settings: Vec<(&'static str, &'static str)>,
    /// What to send.
    pub steps: Vec<Step>,
    /// What differs.
    pub mismatch: Mismatch,
}

/// What was done and found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rounds played.
    pub rounds: u64,
    /// Commands sent to each server.
    pub commands: u64,
    /// Distinct mismatches by what was asked.
    pub findings: BTreeMap<String, Finding>,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.resp3 { 3 } else { 2 };
        writeln!(out, "MISMATCH (seed {}, RESP{protocol}, {:?})", self.seed, self.settings)?;
        for step in &self.steps {
            let joined = if step.joined { "+" } else { " " };
            writeln!(out, "  {}{joined}> {}", step.connection, typed(&step.line))?;
        }
        writeln!(out, "{}", self.mismatch)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.findings.values() {
            writeln!(out, "{finding}")?;
        }
        write!(
            out,
            "{} rounds, {} commands, {} distinct mismatches",
            self.rounds,
            self.commands,
            self.findings.len()
        )
    }
}

/// Plays rounds until a bound is reached.
pub fn run(pair: &Pair, bounds: &Bounds) -> Report {
    let mut rows = table::rows();
    rows.retain(|row| !bounds.skip.iter().any(|name| row.template.name().starts_with(name)));
    let words = Words::new(unix_time_ms());
    let deadline = Instant::now() + bounds.time;
    let mut report = Report::default();
    while report.rounds < bounds.rounds_max
        && report.findings.len() < bounds.mismatches_max
        && Instant::now() < deadline
    {
        let seed = bounds.seed.wrapping_add(report.rounds);
        let mut choices = Choices::new(seed);
        let round = Round::generate(&rows, &words, ROUND_LENGTH, bounds.blocking, &mut choices);
        report.rounds += 1;
        report.commands += round.steps.len() as u64;
        if let Err(mismatch) = pair.play(&round, &round.steps) {
            let gone = mismatch.what == PREPARATION;
            add_finding(&mut report, pair, bounds, seed, &round, mismatch);
            if gone {
                break;
            }
        }
    }
    report
}

fn add_finding(
    report: &mut Report,
    pair: &Pair,
    bounds: &Bounds,
    seed: u64,
    round: &Round,
    mismatch: Mismatch,
) {
    let class = |mismatch: &Mismatch| match mismatch.what.split_once(' ') {
        _ if mismatch.step.is_none() => {
            mismatch.what.rsplit(": ").next().unwrap_or_default().to_owned()
        }
        Some((first, _)) => first.to_uppercase(),
        None => mismatch.what.to_uppercase(),
    };
    if report.findings.contains_key(&class(&mismatch)) {
        return;
    }
    let (steps, mismatch) = shrink::shrink(pair, round, mismatch, bounds.shrink_time);
    let class = class(&mismatch);
    report.findings.entry(class).or_insert(Finding {
        seed,
        resp3: round.resp3,
        settings: round.settings.clone(),
        steps,
        mismatch,
    });
}

/// Milliseconds since 1970.
pub fn unix_time_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    i64::try_from(since.as_millis()).expect("the clock is before the year 292 million")
}
