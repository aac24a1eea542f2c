//! `/json`: Envoy's rate limit service in the JSON of proto3.
//!
//! Job: read RateLimitRequest, write RateLimitResponse. In: both spellings of names, numbers as numbers
//! or strings, units by name or number. Out: 200, 429; 400 for what cannot be served, 500 when nothing
//! can be said. Invariant: one status for each descriptor, in order.

use ringlet_limit::headers::Reported;
use ringlet_limit::model::CalendarUnit;
use ringlet_limit::request::{Action, Descriptor, Reason, Request};
use ringlet_limit::time::{NEVER, NS_PER_S};
use serde::Deserialize;

use super::endpoints::Telling;
use super::exchange::Exchange;
use super::response::{Refusal, push, push_number, write_response};
use crate::front::{Desk, FrontSettings, Question};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RateLimitRequest {
    domain: Option<String>,
    descriptors: Option<Vec<RateLimitDescriptor>>,
    #[serde(alias = "hitsAddend")]
    hits_addend: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RateLimitDescriptor {
    entries: Option<Vec<Entry>>,
    limit: Option<RateLimitOverride>,
    #[serde(alias = "hitsAddend")]
    hits_addend: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimitOverride {
    #[serde(alias = "requestsPerUnit")]
    requests_per_unit: Number,
    unit: UnitName,
}

/// A number of proto3's JSON: 5 or "5".
#[derive(Copy, Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a number from 0 on, or one in quotes")]
enum Number {
    Plain(u64),
    Quoted(#[serde(deserialize_with = "quoted")] u64),
}

fn quoted<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom("no number"))
}

impl Number {
    fn get(self) -> u64 {
        match self {
            Self::Plain(number) | Self::Quoted(number) => number,
        }
    }
}

/// A unit of proto3's JSON: "SECOND" or 1.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a unit such as \"SECOND\"")]
enum UnitName {
    Number(u64),
    Name(String),
}

/// Units with Envoy's number and seconds. The override of a limit has no WEEK by name in some versions of
/// the protocol; we take it.
const UNITS: [(&str, u64, u64); 7] = [
    ("SECOND", 1, 1),
    ("MINUTE", 2, 60),
    ("HOUR", 3, 3600),
    ("DAY", 4, 86_400),
    ("MONTH", 5, 30 * 86_400),
    ("YEAR", 6, 365 * 86_400),
    ("WEEK", 7, 7 * 86_400),
];

impl UnitName {
    fn period_ns(&self) -> Option<u64> {
        let is_it = |(name, number, _): &&(&str, u64, u64)| match self {
            Self::Number(given) => given == number,
            Self::Name(given) => given == name,
        };
        UNITS.iter().find(is_it).map(|(_, _, seconds)| seconds * NS_PER_S)
    }
}

/// Asks what Envoy would.
pub(super) fn ask(
    body: &[u8],
    settings: &FrontSettings,
    exchange: &mut Exchange,
    desk: &mut dyn Desk,
) -> Result<(), Refusal> {
    let asked: RateLimitRequest =
        serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))?;
    let domain = match asked.domain.as_deref().unwrap_or_default() {
        "" => &settings.domain[..],
        domain => domain,
    };
    let given = asked.descriptors.as_deref().unwrap_or_default();
    if domain.is_empty() {
        return Err(Refusal::bad("`domain` must not be empty"));
    }
    if given.is_empty() {
        return Err(Refusal::bad("`descriptors` must not be empty"));
    }
    let descriptors = given.iter().map(read_descriptor).collect::<Result<Vec<_>, _>>()?;
    exchange.descriptors = descriptors.len();
    let request = Request {
        domain,
        descriptors: &descriptors,
        http: None,
        // Envoy's 0 is a field that was left out.
        cost: asked.hits_addend.map(Number::get).filter(|cost| *cost > 0),
    };
    exchange.ask(desk, &Question::Request(request), Action::Take);
    Ok(())
}

fn read_descriptor(given: &RateLimitDescriptor) -> Result<Descriptor<'_>, Refusal> {
    let limit = match &given.limit {
        None => None,
        Some(limit) => {
            let period_ns = limit.unit.period_ns().ok_or_else(|| {
                let known: Vec<&str> = UNITS.iter().map(|(name, ..)| *name).collect();
                Refusal::bad(format!("`unit` is none of: {}", known.join(", ")))
            })?;
            Some((limit.requests_per_unit.get(), period_ns))
        }
    };
    let entries = given.entries.iter().flatten().map(|entry| (&entry.key[..], &entry.value[..]));
    let cost = given.hits_addend.map(Number::get);
    Ok(Descriptor { entries: entries.collect(), cost, limit })
}

/// Says what Envoy would be told.
pub(super) fn answer(
    exchange: &Exchange,
    telling: &Telling<'_>,
    body: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    for answer in exchange.answers() {
        let verdict = match answer {
            Ok(verdict) => verdict,
            Err(error) => return Refusal::bad(&error.0[..]).write(exchange.about, out),
        };
        let trouble = match verdict.reason {
            Reason::Store => "the store cannot be asked, and a rule says `closed` for this case",
            Reason::Overload => "too many checks wait for the store",
            Reason::Limits | Reason::Lists => "",
        };
        if !verdict.is_allowed && !trouble.is_empty() {
            return Refusal::of(500, trouble).write(exchange.about, out);
        }
        let report = telling.report(verdict);
        push(body, &["{\"overallCode\":\"", code(verdict.is_allowed), "\",\"statuses\":["]);
        for place in 0..exchange.descriptors {
            push(body, &[if place > 0 { "," } else { "" }]);
            let limits = report.limits().filter(|one| one.descriptor == Some(place));
            // What is refused first, then what has least left.
            let told = limits.min_by_key(|one| (is_within(one), one.outcome.remaining));
            write_status(told.as_ref(), verdict.unlimited.contains(&place), body);
        }
        push(body, &["]}\n"]);
        let status = if verdict.is_allowed { 200 } else { 429 };
        write_response(out, exchange.about, status, "application/json", body, |_| {});
    }
}

fn code(is_allowed: bool) -> &'static str {
    if is_allowed { "OK" } else { "OVER_LIMIT" }
}

fn is_within(one: &Reported<'_>) -> bool {
    one.is_shadow || one.outcome.is_allowed
}

fn write_status(told: Option<&Reported<'_>>, is_unlimited: bool, out: &mut Vec<u8>) {
    push(out, &["{\"code\":\"", code(told.is_none_or(is_within)), "\""]);
    if let Some(one) = told {
        push(out, &[",\"currentLimit\":{\"requestsPerUnit\":"]);
        push_number(out, one.count);
        push(out, &[",\"unit\":\"", unit_of(one), "\""]);
        if let Some(name) = one.name {
            push(out, &[",\"name\":\"", name, "\""]);
        }
        push(out, &["},\"limitRemaining\":"]);
        push_number(out, one.outcome.remaining);
        if one.outcome.reset_after_ns != NEVER {
            push(out, &[",\"durationUntilReset\":\""]);
            push_number(out, one.outcome.reset_after_ns.div_ceil(NS_PER_S));
            push(out, &["s\""]);
        }
    } else if is_unlimited {
        push(out, &[",\"limitRemaining\":4294967295"]);
    }
    push(out, &["}"]);
}

/// The unit of a limit, if Envoy has it.
fn unit_of(one: &Reported<'_>) -> &'static str {
    match one.calendar.map(|calendar| calendar.unit) {
        Some(CalendarUnit::Minute) => "MINUTE",
        Some(CalendarUnit::Hour) => "HOUR",
        Some(CalendarUnit::Day) => "DAY",
        Some(CalendarUnit::Week) => "WEEK",
        Some(CalendarUnit::Month) => "MONTH",
        Some(CalendarUnit::Year) => "YEAR",
        None => UNITS
            .iter()
            .find(|(_, _, seconds)| seconds * NS_PER_S == one.period_ns)
            .map_or("UNKNOWN", |(name, ..)| *name),
    }
}
