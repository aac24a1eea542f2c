//! `envoy.service.ratelimit.v3.RateLimitService`: Envoy's question and its answer.
//!
//! Job: make a question of a request and an answer of a verdict. In: a message; a verdict. Out: the
//! same as the other. Invariant: an answer has one status for each descriptor, in their order. When
//! the store cannot be asked, or too many wait, and the request is refused for it alone, the answer is
//! the error `UNAVAILABLE`: Envoy's `failure_mode_deny` then says whether the request goes on.
//!
//! A descriptor that no rule fits is `OK` without a limit; an unlimited one is `OK` with 2^32-1 left; a
//! shadow rule shows its numbers and is never over. The headers that an answer may carry stay empty:
//! Envoy writes its own of the numbers here (`enable_x_ratelimit_headers`).

use bytes::Bytes;
use ringlet_limit::model::Limit;
use ringlet_limit::request::{Action, LimitRef, Part, Reason, Request, Verdict};
use ringlet_limit::rules::RuleSet;
use ringlet_limit::time::{NEVER, NS_PER_S};

use super::message::rate_limit::{
    CurrentLimit, DescriptorStatus, read_request, unit_of, unit_of_s, write_response,
};
use super::service::{Ask, Reply, framed};
use super::status::{Code, Status};
use crate::front::Question;

/// The service's name.
pub const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";

/// `ShouldRateLimit`.
pub fn should_rate_limit(message: &[u8], ask: Ask<'_>) -> Reply {
    match question(message, ask) {
        Ok(reply) => reply,
        Err(text) => Reply::Failure(Status::new(Code::InvalidArgument, text)),
    }
}

fn question(message: &[u8], ask: Ask<'_>) -> Result<Reply, String> {
    let request = read_request(message)
        .map_err(|reason| format!("the request is no RateLimitRequest: {reason}"))?;
    if request.domain.is_empty() {
        return Err("the request has no domain; set `domain` in Envoy's rate limit filter".into());
    }
    if request.descriptors.is_empty() {
        return Err("the request has no descriptors; give the route `rate_limits` actions".into());
    }
    let question = Question::Request(Request {
        domain: request.domain,
        descriptors: &request.descriptors,
        http: None,
        cost: request.cost,
    });
    let count = request.descriptors.len();
    let is_known = ask.desk.ask(ask.ticket, &question, Action::Take, ask.verdict);
    Ok(match is_known.map_err(|bad| bad.0)? {
        true => reply(ask.verdict, count, ask.desk.rules()),
        false => Reply::Later(count),
    })
}

/// What a verdict on so many descriptors says to Envoy.
pub fn reply(verdict: &Verdict, descriptors: usize, rules: &RuleSet) -> Reply {
    let reason = match verdict.reason {
        Reason::Limits | Reason::Lists => {
            return Reply::Message(answer(verdict, descriptors, rules));
        }
        _ if verdict.is_allowed => return Reply::Message(answer(verdict, descriptors, rules)),
        Reason::Store => "the store cannot be asked, and a rule says `closed` for this case",
        Reason::Overload => "too many questions wait for the store",
    };
    Reply::Failure(Status::new(Code::Unavailable, reason))
}

fn answer(verdict: &Verdict, descriptors: usize, rules: &RuleSet) -> Bytes {
    let mut statuses = vec![DescriptorStatus::default(); descriptors];
    for &place in &verdict.unlimited {
        if let Some(status) = statuses.get_mut(place) {
            status.remaining = u32::MAX;
        }
    }
    for part in &verdict.parts {
        if let Some(status) = part.descriptor.and_then(|place| statuses.get_mut(place)) {
            let other = status_of(part, rules);
            if status.limit.is_none() || is_stricter(&other, status) {
                *status = other;
            }
        }
    }
    framed(|out| write_response(out, !verdict.is_allowed, &statuses))
}

/// Of several limits of a descriptor the one is shown that is over, or has the least left.
fn is_stricter(one: &DescriptorStatus<'_>, other: &DescriptorStatus<'_>) -> bool {
    let rank = |status: &DescriptorStatus<'_>| (!status.is_over, status.remaining);
    rank(one) < rank(other)
}

fn status_of<'a>(part: &Part, rules: &'a RuleSet) -> DescriptorStatus<'a> {
    let outcome = &part.outcome;
    // Whole seconds, and never too few: Envoy drops what is behind the point.
    let reset_s = outcome.reset_after_ns.div_ceil(NS_PER_S);
    DescriptorStatus {
        is_over: !outcome.is_allowed && !part.is_shadow,
        limit: Some(current_limit(&part.limit, rules)),
        remaining: u32::try_from(outcome.remaining).unwrap_or(u32::MAX),
        reset_s: (outcome.reset_after_ns != NEVER).then_some(reset_s),
    }
}

/// The limit as Envoy puts it. A rule that a reload has just retired has no numbers any more.
fn current_limit<'a>(limit: &LimitRef, rules: &'a RuleSet) -> CurrentLimit<'a> {
    match limit {
        LimitRef::Given(given) => CurrentLimit {
            count: count_of(given.count),
            unit: unit_of_ns(given.period_ns),
            name: "",
        },
        LimitRef::Rule(slot) => rules.rule(*slot).map_or_else(CurrentLimit::default, |rule| {
            let numbers = rule.limit.as_ref();
            CurrentLimit {
                count: numbers.map_or(0, |limit| count_of(limit.count)),
                unit: numbers.map_or(0, unit_of_limit),
                name: &rule.name,
            }
        }),
    }
}

fn count_of(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn unit_of_limit(limit: &Limit) -> u8 {
    limit.calendar.as_ref().map_or_else(|| unit_of_ns(limit.period_ns), |of| unit_of(of.unit))
}

/// The number of the unit that is as long as a period; 0 if none is.
fn unit_of_ns(period_ns: u64) -> u8 {
    if period_ns.is_multiple_of(NS_PER_S) { unit_of_s(period_ns / NS_PER_S) } else { 0 }
}
