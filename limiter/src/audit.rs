//! Denials, one line each.
//!
//! Job: write down who was refused by which rule. In: verdicts. Out: lines for the log's writer. Invariant:
//! a core never waits for a disk, and writes [`AUDIT_LINES_PER_SECOND`] lines in a second at most: those
//! that are left out are counted in a line, those that cannot be taken in [`LostLines`].

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{Timestamp, Zoned, tz::TimeZone};
use ringlet_limit::request::{LimitRef, Matched, Verdict};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::time::{NEVER, NS_PER_MS};
use ringlet_runtime::log::LineOwner;
use ringlet_runtime::log::buffers::Buffers;
use ringlet_runtime::log::writer::LogHandle;
use serde::Serialize;

use crate::limits::AUDIT_LINES_PER_SECOND;

/// Lines of a core that could not be written.
#[derive(Debug, Default)]
pub struct LostLines(AtomicU64);

impl LineOwner for LostLines {
    fn lost(&self, _: usize, lines: u64) {
        self.0.fetch_add(lines, Ordering::Relaxed);
    }
}

/// When something is noted.
#[derive(Copy, Clone, Debug)]
pub struct Instant {
    /// On the monotonic clock: for the bound.
    pub monotonic_ns: u64,
    /// By the calendar: for the line.
    pub wall_clock_ms: i64,
}

impl Instant {
    fn second(self) -> u64 {
        self.monotonic_ns / 1_000_000_000
    }

    /// In local time, as RFC 3339 has it.
    fn text(self) -> String {
        // A clock that far off is no time; any will do.
        let at = Timestamp::from_millisecond(self.wall_clock_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        Zoned::new(at, TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }
}

/// A refusal.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    rule: Option<Cow<'a, str>>,
    key: Option<Cow<'a, str>>,
    cost: Option<u64>,
    reason: &'static str,
    retry_after_ms: Option<u64>,
    shadow: bool,
}

/// How many refusals of a second are not written down.
#[derive(Serialize)]
struct LeftOut<'a> {
    time: &'a str,
    left_out: u64,
}

/// One core's way to the audit log.
pub struct AuditLog {
    buffers: Buffers<LostLines>,
    owner: Arc<LostLines>,
    /// Whether anybody wants lines.
    pub is_on: bool,
    /// The second that is counted.
    second: u64,
    lines: u32,
    left_out: u64,
    left_out_before: u64,
}

impl AuditLog {
    /// The log of a core.
    #[must_use]
    pub fn new(log: &LogHandle<LostLines>, core: usize, is_on: bool) -> Self {
        let (buffers, owner) = (log.buffers(core), Arc::default());
        Self { buffers, owner, is_on, second: 0, lines: 0, left_out: 0, left_out_before: 0 }
    }

    /// Lines that could not be written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.owner.0.load(Ordering::Relaxed)
    }

    /// Lines that were left out.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out_before + self.left_out
    }

    /// Notes the refusals of a verdict, those of shadow rules too.
    pub fn note(&mut self, rules: &RuleSet, matched: &Matched, verdict: &Verdict, at: Instant) {
        if !self.is_on {
            return;
        }
        let items = matched.items.iter().zip(&verdict.parts);
        let mut refused = items.filter(|(_, part)| !part.outcome.is_allowed).peekable();
        if verdict.is_allowed && refused.peek().is_none() {
            return;
        }
        let reason = verdict.reason.name();
        let time = at.text();
        let nobody = Line {
            time: &time,
            rule: None,
            key: None,
            cost: None,
            reason,
            retry_after_ms: None,
            shadow: false,
        };
        let mut is_told = verdict.is_allowed;
        for (item, part) in refused {
            is_told |= !part.is_shadow;
            let text = String::from_utf8_lossy(matched.text_of(item));
            let (said, key) = text.split_once(':').unwrap_or(("", &text));
            let rule = match part.limit {
                LimitRef::Rule(slot) => rules.rule(slot).map_or(said, |rule| &rule.name),
                LimitRef::Given(_) => said,
            };
            let retry_ns = part.outcome.retry_after_ns;
            let line = Line {
                rule: Some(rule.into()),
                key: Some(key.into()),
                cost: Some(item.cost),
                retry_after_ms: (retry_ns != NEVER).then(|| retry_ns.div_ceil(NS_PER_MS)),
                shadow: part.is_shadow,
                ..nobody
            };
            self.add(&line, at);
        }
        // Refused, but by no rule.
        if !is_told {
            self.add(&nobody, at);
        }
    }

    fn add(&mut self, line: &Line<'_>, at: Instant) {
        self.begin_second(at);
        if self.lines == AUDIT_LINES_PER_SECOND {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        self.write(line);
    }

    /// Tells what was left out of the second before.
    fn begin_second(&mut self, at: Instant) {
        if at.second() == self.second {
            return;
        }
        (self.second, self.lines) = (at.second(), 0);
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            self.left_out_before += left_out;
            self.write(&LeftOut { time: &at.text(), left_out });
        }
    }

    fn write(&mut self, line: &impl Serialize) {
        self.buffers.add(&self.owner, |out| {
            // What is written to memory does not fail.
            let _ = serde_json::to_writer(&mut *out, line);
            out.push(b'\n');
        });
    }

    /// A moment has passed: what has been collected goes.
    pub fn on_tick(&mut self, at: Instant) {
        self.begin_second(at);
        self.buffers.on_tick();
    }

    /// Nothing more comes.
    pub fn finish(&mut self, at: Instant) {
        self.begin_second(Instant { monotonic_ns: at.monotonic_ns + 1_000_000_000, ..at });
        self.buffers.hand_over();
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
