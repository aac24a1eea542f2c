//! What a response tells its reader of the limits: header fields, status and body of a denial.
//!
//! Job: write a verdict for HTTP. In: a [`Verdict`], the rules it is by, the time. Out: header lines,
//! each with its CRLF; a body of `application/problem+json`. Invariant: pure; shadow rules are not
//! mentioned; Retry-After is never earlier than any time that stands beside it; names need no escapes,
//! as those of rules have no odd characters.

use std::cmp::Reverse;

use crate::algorithm::Outcome;
use crate::model::{Calendar, CalendarUnit};
use crate::request::{LimitRef, Reason, Verdict};
use crate::rules::RuleSet;
use crate::time::{NEVER, NS_PER_MS, NS_PER_S};

/// How a listener tells its clients of limits.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum HeaderStyle {
    /// `RateLimit-Policy` and `RateLimit` with all limits (draft-ietf-httpapi-ratelimit-headers-10).
    #[default]
    Ietf,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` in seconds from now, as Envoy's draft 3.
    XRateLimit,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` in seconds since 1970.
    Github,
    /// No fields but Retry-After.
    None,
}

/// A style: one row of [`STYLES`].
struct Style {
    style: HeaderStyle,
    name: &'static str,
    write: fn(&Report<'_>, &mut Vec<u8>),
}

const STYLES: [Style; 4] = [
    Style { style: HeaderStyle::Ietf, name: "ietf", write: write_ietf },
    Style { style: HeaderStyle::XRateLimit, name: "x-ratelimit", write: write_x_ratelimit },
    Style { style: HeaderStyle::Github, name: "github", write: write_github },
    Style { style: HeaderStyle::None, name: "none", write: |_, _| {} },
];

impl HeaderStyle {
    /// The style of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        STYLES.iter().find(|row| row.name == name).map(|row| row.style)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        STYLES.iter().find(|row| row.style == self).map_or("none", |row| row.name)
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        STYLES.iter().map(|row| row.name)
    }
}

/// A verdict with what it takes to name its limits.
#[derive(Copy, Clone, Debug)]
pub struct Report<'a> {
    /// The rules by which it was made.
    pub rules: &'a RuleSet,
    /// The verdict.
    pub verdict: &'a Verdict,
    /// The time, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// One limit with what it says.
#[derive(Copy, Clone, Debug)]
pub struct Reported<'a> {
    /// The rule's name; none: the request brought the limit along.
    pub name: Option<&'a str>,
    /// Name of its algorithm.
    pub algorithm: &'static str,
    /// As in [`Limit`](crate::model::Limit).
    pub count: u64,
    /// As in [`Limit`](crate::model::Limit).
    pub period_ns: u64,
    /// As in [`Limit`](crate::model::Limit): the most that can be left of it.
    pub burst: u64,
    /// As in [`Limit`](crate::model::Limit).
    pub calendar: Option<&'a Calendar>,
    /// What it says.
    pub outcome: Outcome,
    /// From which descriptor it came.
    pub descriptor: Option<usize>,
    /// Whether it counts for nothing.
    pub is_shadow: bool,
}

impl<'a> Report<'a> {
    /// All limits, in the verdict's order, but those of rules that are gone.
    pub fn limits(&self) -> impl Iterator<Item = Reported<'a>> + Clone + use<'a> {
        let Self { rules, verdict, .. } = *self;
        verdict.parts.iter().filter_map(move |part| {
            let (name, algorithm, count, period_ns, burst, calendar) = match &part.limit {
                LimitRef::Given(given) => {
                    (None, given.algorithm, given.count, given.period_ns, given.burst, None)
                }
                LimitRef::Rule(slot) => {
                    let rule = rules.rule(*slot)?;
                    let limit = rule.limit.as_ref()?;
                    let calendar = limit.calendar.as_ref();
                    let name = Some(&rule.name[..]);
                    (name, limit.algorithm, limit.count, limit.period_ns, limit.burst, calendar)
                }
            };
            Some(Reported {
                name,
                algorithm: algorithm.name,
                count,
                period_ns,
                burst,
                calendar,
                outcome: part.outcome,
                descriptor: part.descriptor,
                is_shadow: part.is_shadow,
            })
        })
    }

    /// The limits that count, one for each name: the one that is nearest to its end.
    fn listed(&self) -> impl Iterator<Item = Reported<'a>> + Clone + use<'a> {
        let all = self.limits().filter(|one| !one.is_shadow).enumerate();
        let others = all.clone();
        all.filter(move |(place, one)| {
            let is_nearer = |(other_place, other): (usize, Reported<'_>)| {
                other.name == one.name && (other.rank(), other_place) < (one.rank(), *place)
            };
            !others.clone().any(is_nearer)
        })
        .map(|(_, one)| one)
    }

    /// The limit to name where only one can be: one that refuses, else the one of which least is left.
    fn nearest(&self) -> Option<Reported<'a>> {
        self.listed().min_by_key(Reported::rank)
    }

    /// When asking again may help: seconds, at least 1. None: it is allowed, or that is not known.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        if self.verdict.is_allowed || self.verdict.reason == Reason::Lists {
            return None;
        }
        let refusing = self.verdict.parts.iter().filter(|part| !part.is_shadow);
        let refusing = refusing.filter(|part| !part.outcome.is_allowed);
        let longest_ns = refusing.map(|part| part.outcome.retry_after_ns).max().unwrap_or(0);
        (longest_ns != NEVER).then(|| longest_ns.div_ceil(NS_PER_S).max(1))
    }
}

impl Reported<'_> {
    /// Less is nearer to the end: what refuses, what has least left, what takes longest.
    fn rank(&self) -> (bool, u64, Reverse<u64>) {
        let outcome = &self.outcome;
        (outcome.is_allowed, outcome.remaining, Reverse(outcome.retry_after_ns))
    }

    fn shown_name(&self) -> &str {
        self.name.unwrap_or("given")
    }

    /// In how many nanoseconds there is more than now: of a refusal, when it ends. 0: not known.
    fn more_after_ns(&self) -> u64 {
        match (self.outcome.retry_after_ns, self.outcome.reset_after_ns) {
            (0 | NEVER, NEVER) => 0,
            (0 | NEVER, reset_after_ns) => reset_after_ns,
            (retry_after_ns, _) => retry_after_ns,
        }
    }

    /// The quota and the seconds that it is for. A period that is no whole number of seconds becomes the
    /// next one, with as much more quota. None: permits that come back when they are given back, and
    /// calendar windows whose lengths differ.
    fn policy(&self) -> (u64, Option<u64>) {
        if self.algorithm == "concurrency" {
            return (self.burst, None);
        }
        let window_s = match self.calendar.map(|calendar| calendar.unit) {
            None => {
                let window_s = self.period_ns.div_ceil(NS_PER_S).max(1);
                let whole = u128::from(self.count) * u128::from(window_s) * u128::from(NS_PER_S);
                let quota = whole / u128::from(self.period_ns.max(1));
                return (u64::try_from(quota).unwrap_or(u64::MAX), Some(window_s));
            }
            Some(CalendarUnit::Minute) => Some(60),
            Some(CalendarUnit::Hour) => Some(3600),
            Some(CalendarUnit::Day) => Some(86_400),
            Some(CalendarUnit::Week) => Some(7 * 86_400),
            Some(CalendarUnit::Month | CalendarUnit::Year) => None,
        };
        (self.count, window_s)
    }
}

/// Writes the header lines of a verdict: those of the style, Retry-After of a denial, and
/// `X-RateLimit-Delay-Ms`, which says how long whoever was allowed shall wait before it goes on.
pub fn write_headers(style: HeaderStyle, report: &Report<'_>, out: &mut Vec<u8>) {
    if let Some(row) = STYLES.iter().find(|row| row.style == style) {
        (row.write)(report, out);
    }
    if let Some(seconds) = report.retry_after_s() {
        write_line("Retry-After: ", seconds, out);
    }
    let delays = report.limits().filter(|one| !one.is_shadow).map(|one| one.outcome.delay_ns);
    match delays.max() {
        Some(delay_ns @ 1..) if report.verdict.is_allowed => {
            write_line("X-RateLimit-Delay-Ms: ", delay_ns.div_ceil(NS_PER_MS), out);
        }
        _ => {}
    }
}

fn write_ietf(report: &Report<'_>, out: &mut Vec<u8>) {
    let mut separator = "RateLimit-Policy: ";
    for one in report.listed() {
        let (quota, window_s) = one.policy();
        push(out, &[separator, "\"", one.shown_name(), "\";q="]);
        push_number(out, quota);
        if one.algorithm == "concurrency" {
            push(out, &[";qu=\"concurrent-requests\""]);
        }
        if let Some(window_s) = window_s {
            push(out, &[";w="]);
            push_number(out, window_s);
        }
        separator = ", ";
    }
    let mut separator = "\r\nRateLimit: ";
    for one in report.listed() {
        push(out, &[separator, "\"", one.shown_name(), "\";r="]);
        push_number(out, one.outcome.remaining);
        // Retry-After must not be earlier than `t`: beside a refusal, what does not refuse says none.
        let is_told = report.verdict.is_allowed
            || (!one.outcome.is_allowed && one.outcome.retry_after_ns != NEVER);
        if is_told && one.more_after_ns() > 0 {
            push(out, &[";t="]);
            push_number(out, one.more_after_ns().div_ceil(NS_PER_S));
        }
        separator = ", ";
    }
    if separator == ", " {
        push(out, &["\r\n"]);
    }
}

fn write_x_ratelimit(report: &Report<'_>, out: &mut Vec<u8>) {
    let Some(nearest) = report.nearest() else { return };
    push(out, &["X-RateLimit-Limit: "]);
    push_number(out, nearest.burst);
    for one in report.listed() {
        let (quota, window_s) = one.policy();
        push(out, &[", "]);
        push_number(out, quota);
        if let Some(window_s) = window_s {
            push(out, &[";w="]);
            push_number(out, window_s);
        }
        push(out, &[";name=\"", one.shown_name(), "\""]);
    }
    push(out, &["\r\n"]);
    write_line("X-RateLimit-Remaining: ", nearest.outcome.remaining, out);
    write_line("X-RateLimit-Reset: ", nearest.more_after_ns().div_ceil(NS_PER_S), out);
}

fn write_github(report: &Report<'_>, out: &mut Vec<u8>) {
    let Some(nearest) = report.nearest() else { return };
    let reset_ms = report.unix_ms.saturating_add(nearest.more_after_ns().div_ceil(NS_PER_MS));
    write_line("X-RateLimit-Limit: ", nearest.burst, out);
    write_line("X-RateLimit-Remaining: ", nearest.outcome.remaining, out);
    write_line("X-RateLimit-Reset: ", reset_ms.div_ceil(1000), out);
}

/// The status of a denial. One that has been chosen stands for all; else it tells a full quota (429)
/// from an access list (403) and from trouble of the limiter (503).
#[must_use]
pub fn denial_status(reason: Reason, chosen: Option<u16>) -> u16 {
    chosen.unwrap_or(match reason {
        Reason::Limits => 429,
        Reason::Lists => 403,
        Reason::Store | Reason::Overload => 503,
    })
}

/// The media type of [`write_problem`].
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// Writes the body of a denial (RFC 9457, with the problem types of the IETF draft).
pub fn write_problem(report: &Report<'_>, status: u16, out: &mut Vec<u8>) {
    let (name, title) = match report.verdict.reason {
        Reason::Limits => (QUOTA_EXCEEDED, "A limit is used up"),
        Reason::Lists => ("about:blank", "An access list refuses this client"),
        Reason::Store => (REDUCED_CAPACITY, "The limiter's store cannot be asked"),
        Reason::Overload => (REDUCED_CAPACITY, "Too many checks wait"),
    };
    push(out, &["{\"type\":\"", name, "\",\"title\":\"", title, "\",\"status\":"]);
    push_number(out, status.into());
    let mut separator = ",\"violated-policies\":[\"";
    for one in report.listed().filter(|one| !one.outcome.is_allowed) {
        push(out, &[separator, one.shown_name(), "\""]);
        separator = ",\"";
    }
    push(out, &[if separator == ",\"" { "]}" } else { "}" }]);
}

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

fn write_line(name: &str, value: u64, out: &mut Vec<u8>) {
    push(out, &[name]);
    push_number(out, value);
    push(out, &["\r\n"]);
}

fn push(out: &mut Vec<u8>, texts: &[&str]) {
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

fn push_number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
