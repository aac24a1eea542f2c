//! `/check` and `/settle`: limits for programs, as JSON.
//!
//! Job: read checks, and write what the limits say. In: one check, or `{"checks": [...]}`. Out: JSON; of
//! one check also status and header fields. Invariant: a field that is not known is refused by name;
//! checks of a batch are answered each on its own, in order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use ringlet_limit::headers::{Report, denial_status, write_headers};
use ringlet_limit::request::{Action, Descriptor, HttpView, Request};
use ringlet_limit::time::{NEVER, NS_PER_MS};
use serde::Deserialize;

use super::endpoints::Telling;
use super::exchange::Exchange;
use super::parameters::{path_of, plain_host};
use super::response::{Refusal, push, push_number, write_response};
use crate::front::{BadQuestion, Desk, FrontSettings, Question};
use crate::limits::HTTP_CHECKS_MAX;

/// One check, or a list of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Check {
    domain: Option<String>,
    descriptors: Vec<Vec<Entry>>,
    request: Option<RequestText>,
    rule: Option<String>,
    key: Option<String>,
    cost: Option<u64>,
    action: Option<ActionName>,
    /// Of `/settle`.
    reserved: Option<u64>,
    /// Of `/settle`.
    actual: Option<u64>,
    checks: Option<Vec<Check>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    #[serde(default)]
    value: String,
}

/// An HTTP request, as a program describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RequestText {
    method: String,
    path: String,
    host: String,
    client: Option<IpAddr>,
    headers: BTreeMap<String, String>,
}

#[derive(Copy, Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionName {
    Take,
    Peek,
    GiveBack,
    Force,
}

impl From<ActionName> for Action {
    fn from(name: ActionName) -> Self {
        match name {
            ActionName::Take => Self::Take,
            ActionName::Peek => Self::Peek,
            ActionName::GiveBack => Self::GiveBack,
            ActionName::Force => Self::Force,
        }
    }
}

/// A described request as the rules see it.
struct Described<'a> {
    text: &'a RequestText,
    host: Cow<'a, [u8]>,
}

impl HttpView for Described<'_> {
    fn method(&self) -> &[u8] {
        self.text.method.as_bytes()
    }

    fn path(&self) -> &[u8] {
        path_of(self.text.path.as_bytes()).unwrap_or_default()
    }

    fn host(&self) -> &[u8] {
        &self.host
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let is_it = |(other, _): &(&String, &String)| other.eq_ignore_ascii_case(name);
        self.text.headers.iter().find(is_it).map(|(_, value)| value.as_bytes())
    }

    fn client(&self) -> Option<IpAddr> {
        self.text.client
    }
}

/// Asks what `/check` was given.
pub(super) fn ask(
    body: &[u8],
    settings: &FrontSettings,
    exchange: &mut Exchange,
    desk: &mut dyn Desk,
) -> Result<(), Refusal> {
    ask_all(body, settings, exchange, desk, |check| {
        if check.reserved.is_some() || check.actual.is_some() {
            return Err("`reserved` and `actual` are for /settle".into());
        }
        Ok((check.action.map_or(Action::Take, Action::from), check.cost))
    })
}

/// Asks what `/settle` was given: gives back what was reserved and not used, or takes what was used
/// above that.
pub(super) fn ask_settlement(
    body: &[u8],
    settings: &FrontSettings,
    exchange: &mut Exchange,
    desk: &mut dyn Desk,
) -> Result<(), Refusal> {
    ask_all(body, settings, exchange, desk, |check| {
        if check.action.is_some() || check.cost.is_some() {
            return Err("`action` and `cost` are for /check".into());
        }
        let (Some(reserved), Some(actual)) = (check.reserved, check.actual) else {
            return Err("`reserved` and `actual` say what was taken and what was used".into());
        };
        Ok(match reserved.checked_sub(actual) {
            Some(0) => (Action::Peek, Some(0)),
            Some(unused) => (Action::GiveBack, Some(unused)),
            None => (Action::Force, Some(actual - reserved)),
        })
    })
}

/// What is to be done, and with how many tokens.
type Deed = fn(&Check) -> Result<(Action, Option<u64>), String>;

fn ask_all(
    body: &[u8],
    settings: &FrontSettings,
    exchange: &mut Exchange,
    desk: &mut dyn Desk,
    deed: Deed,
) -> Result<(), Refusal> {
    exchange.deny_status = settings.deny_status;
    let mut check: Check =
        serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))?;
    let Some(checks) = check.checks.take() else {
        return ask_one(&check, settings, exchange, desk, deed)
            .map_err(|BadQuestion(text)| Refusal::bad(text));
    };
    if !check.is_empty() {
        return Err(Refusal::bad("beside `checks` stands nothing else"));
    }
    if !(1..=HTTP_CHECKS_MAX).contains(&checks.len()) {
        return Err(Refusal::bad(format!("`checks` has 1 to {HTTP_CHECKS_MAX} checks")));
    }
    exchange.is_batch = true;
    for check in &checks {
        if let Err(error) = ask_one(check, settings, exchange, desk, deed) {
            exchange.note_bad(error);
        }
    }
    Ok(())
}

fn ask_one(
    check: &Check,
    settings: &FrontSettings,
    exchange: &mut Exchange,
    desk: &mut dyn Desk,
    deed: Deed,
) -> Result<(), BadQuestion> {
    let bad = |text: &str| Err(BadQuestion(text.into()));
    if check.checks.is_some() {
        return bad("`checks` within a check");
    }
    let (action, cost) = deed(check).map_err(BadQuestion)?;
    if let Some(name) = &check.rule {
        if check.request.is_some() || !check.descriptors.is_empty() || check.domain.is_some() {
            return bad(
                "`rule` and `key` stand in the place of `domain`, `descriptors`, `request`",
            );
        }
        let key = check.key.as_deref().unwrap_or_default().as_bytes();
        exchange.ask(desk, &Question::Rule { name, key, cost }, action);
        return Ok(());
    }
    if check.key.is_some() {
        return bad("`key` is for a check with a `rule`");
    }
    if check.request.is_none() && check.descriptors.is_empty() {
        return bad("a check has a `request`, `descriptors`, or a `rule` with its `key`");
    }
    let descriptors: Vec<Descriptor<'_>> =
        check.descriptors.iter().map(|entries| descriptor(entries)).collect();
    let described = check
        .request
        .as_ref()
        .map(|text| Described { text, host: plain_host(text.host.as_bytes()) });
    if described.as_ref().is_some_and(|one| one.path().is_empty() && !one.text.path.is_empty()) {
        return bad("`path` is neither a path nor a URL");
    }
    let request = Request {
        domain: check.domain.as_deref().unwrap_or(&settings.domain),
        descriptors: &descriptors,
        http: described.as_ref().map(|one| one as &dyn HttpView),
        cost,
    };
    exchange.ask(desk, &Question::Request(request), action);
    Ok(())
}

fn descriptor(entries: &[Entry]) -> Descriptor<'_> {
    let pairs = entries.iter().map(|entry| (&entry.key[..], &entry.value[..]));
    Descriptor { entries: pairs.collect(), ..Descriptor::default() }
}

impl Check {
    fn is_empty(&self) -> bool {
        let Self { domain, descriptors, request, rule, key, cost, action, .. } = self;
        let texts = [domain, rule, key];
        let numbers = [cost, &self.reserved, &self.actual];
        descriptors.is_empty()
            && request.is_none()
            && action.is_none()
            && texts.iter().all(|text| text.is_none())
            && numbers.iter().all(|number| number.is_none())
    }
}

/// Writes what the limits say: of one check with its status, of a batch always 200.
pub(super) fn answer(
    exchange: &Exchange,
    telling: &Telling<'_>,
    body: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let (mut status, mut separator) = (200, "");
    let mut report = None;
    push(body, &[if exchange.is_batch { "{\"answers\":[" } else { "" }]);
    for answer in exchange.answers() {
        push(body, &[separator]);
        separator = ",";
        match answer {
            Ok(verdict) => {
                let told = telling.report(verdict);
                write_verdict(&told, body);
                if !exchange.is_batch {
                    report = Some(told);
                    if !verdict.is_allowed {
                        status = denial_status(verdict.reason, exchange.deny_status);
                    }
                }
            }
            Err(BadQuestion(text)) if exchange.is_batch => {
                push(body, &["{\"error\":", &serde_json::json!(text).to_string(), "}"]);
            }
            Err(BadQuestion(text)) => return Refusal::bad(&text[..]).write(exchange.about, out),
        }
    }
    push(body, &[if exchange.is_batch { "]}\n" } else { "\n" }]);
    write_response(out, exchange.about, status, "application/json", body, |out| {
        if let Some(report) = &report {
            write_headers(telling.settings.headers, report, out);
        }
    });
}

fn write_verdict(report: &Report<'_>, out: &mut Vec<u8>) {
    let verdict = report.verdict;
    let reason = verdict.reason.name();
    push(out, &["{\"allowed\":", truth(verdict.is_allowed), ",\"reason\":\"", reason, "\""]);
    push(out, &[",\"limits\":["]);
    for (place, one) in report.limits().enumerate() {
        let outcome = &one.outcome;
        push(out, &[if place > 0 { "," } else { "" }, "{\"rule\":"]);
        match one.name {
            Some(name) => push(out, &["\"", name, "\""]),
            None => push(out, &["null"]),
        }
        push(out, &[",\"allowed\":", truth(outcome.is_allowed), ",\"limit\":"]);
        push_number(out, one.burst);
        push(out, &[",\"remaining\":"]);
        push_number(out, outcome.remaining);
        for (name, ns) in [
            (",\"retry_after_ms\":", outcome.retry_after_ns),
            (",\"reset_after_ms\":", outcome.reset_after_ns),
            (",\"delay_ms\":", outcome.delay_ns),
        ] {
            push(out, &[name]);
            match ns {
                NEVER => push(out, &["null"]),
                _ => push_number(out, ns.div_ceil(NS_PER_MS)),
            }
        }
        push(out, &[",\"shadow\":", truth(one.is_shadow), "}"]);
    }
    push(out, &["]}"]);
}

fn truth(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}
