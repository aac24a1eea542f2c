//! `CL.THROTTLE` and `THROTTLE`: limits.
//!
//! Job: ask, and reply as redis-cell does. In: words. Out: five integers: 1 if refused, the limit, what
//! is left, seconds until a retry may help (-1: it is allowed, or never), seconds until all is back (-1:
//! not by itself).
//! Invariant: seconds are rounded up from whole milliseconds, as in redis-cell.
//!
//! `THROTTLE rule key [cost] [PEEK|GIVEBACK|FORCE]` asks by a rule of the configuration. An unlimited
//! rule has 2^32-1 as its limit and all of it left.

use std::sync::LazyLock;

use ringlet_base::number::parse_i64;
use ringlet_limit::algorithm::{Algorithm, algorithm_by_name};
use ringlet_limit::headers::Report;
use ringlet_limit::model::{AMOUNT_MAX, PERIOD_NS_MAX};
use ringlet_limit::request::{Action, GivenLimit, Reason, Verdict};
use ringlet_limit::time::{NEVER, NS_PER_MS, NS_PER_S};
use ringlet_protocol::Reply;

use super::commands::{Call, Done};
use crate::front::{BadQuestion, Desk, Question};

/// The longest period in seconds.
const PERIOD_S_MAX: u64 = PERIOD_NS_MAX / NS_PER_S;

/// What each command of redis-cell counts by.
static GCRA: LazyLock<Option<&'static Algorithm>> = LazyLock::new(|| algorithm_by_name("gcra"));

/// CL.THROTTLE key max_burst count period [quantity]
pub(super) fn run_cell(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Result<Done, String> {
    let words = call.words;
    if !(5..=6).contains(&words.len()) {
        return Err("ERR Cell error: Usage: cl.throttle <key> <max_burst> <count per period> \
                    <period in seconds> [<quantity>]"
            .into());
    }
    let number = |place: usize, name: &str, most: u64| {
        let word = words.get(place).unwrap_or(b"1");
        let given = parse_i64(word).ok_or_else(|| {
            format!("ERR Cell error: Couldn't parse as integer: {}", String::from_utf8_lossy(word))
        })?;
        let number = u64::try_from(given).ok().filter(|number| *number <= most);
        number.ok_or_else(|| format!("ERR Cell error: {name} must be from 0 to {most}"))
    };
    let max_burst = number(2, "max_burst", AMOUNT_MAX - 1)?;
    let count = number(3, "count", AMOUNT_MAX)?;
    let period_s = number(4, "period", PERIOD_S_MAX)?;
    let cost = number(5, "quantity", AMOUNT_MAX)?;
    if count == 0 || period_s == 0 {
        return Err("ERR Cell error: Zero rates are not supported".into());
    }
    let Some(algorithm) = *GCRA else { return Err("ERR there is no algorithm gcra".into()) };
    let (period_ns, burst) = (period_s * NS_PER_S, max_burst + 1);
    let limit = GivenLimit { algorithm, count, period_ns, burst };
    ask(call, &Question::Given { key: &words[1], limit, cost }, Action::Take, reply)
}

/// THROTTLE rule key [cost] [PEEK|GIVEBACK|FORCE]
pub(super) fn run_rule(call: &mut Call<'_>, reply: &mut Reply<'_>) -> Result<Done, String> {
    const SYNTAX: &str = "ERR syntax error; THROTTLE rule key [cost] [PEEK|GIVEBACK|FORCE]";
    let words = call.words;
    let name = std::str::from_utf8(&words[1]).map_err(|_| "ERR the rule's name is no text")?;
    let mut rest = words.iter().skip(3).peekable();
    let cost = rest.next_if(|word| word.first().is_some_and(u8::is_ascii_digit));
    let cost = match cost {
        None => None,
        Some(word) => {
            let number = parse_i64(word).and_then(|number| u64::try_from(number).ok());
            Some(number.ok_or("ERR the cost is not an integer or out of range")?)
        }
    };
    let action = match rest.next() {
        None => Action::Take,
        Some(word) => ACTIONS
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, action)| *action)
            .ok_or(SYNTAX)?,
    };
    if rest.next().is_some() {
        return Err(SYNTAX.into());
    }
    ask(call, &Question::Rule { name, key: &words[2], cost }, action, reply)
}

const ACTIONS: [(&str, Action); 3] =
    [("PEEK", Action::Peek), ("GIVEBACK", Action::GiveBack), ("FORCE", Action::Force)];

fn ask(
    call: &mut Call<'_>,
    question: &Question<'_>,
    action: Action,
    reply: &mut Reply<'_>,
) -> Result<Done, String> {
    match call.desk.ask(call.ticket, question, action, call.verdict) {
        // Not answered by a limit: it has been told, and that is all.
        Ok(true) if matches!(action, Action::GiveBack | Action::Force) => {
            reply.ok();
            Ok(Done::Replied)
        }
        Ok(true) => {
            write_verdict(call.verdict, call.desk, reply);
            Ok(Done::Replied)
        }
        Ok(false) => Ok(Done::Waiting),
        Err(BadQuestion(text)) => Err(format!("ERR {text}")),
    }
}

/// Replies with a verdict.
pub(super) fn write_verdict(verdict: &Verdict, desk: &dyn Desk, reply: &mut Reply<'_>) {
    let report = Report { rules: desk.rules(), verdict, unix_ms: desk.now().unix_ms };
    let limit = report.limits().next();
    // Numbers that nobody has counted are no reply.
    let is_unknown = limit.is_none() || verdict.reason == Reason::Overload;
    if is_unknown && !verdict.is_allowed {
        return reply.error(match verdict.reason {
            Reason::Store => "TRYAGAIN the limiter's store cannot be asked",
            Reason::Overload => "TRYAGAIN too many checks wait",
            Reason::Limits | Reason::Lists => "TRYAGAIN the rule has just been changed",
        });
    }
    let (total, remaining, retry_s, reset_s) = match limit {
        None => (AMOUNT_MAX, AMOUNT_MAX, -1, 0),
        Some(one) => {
            let outcome = one.outcome;
            let retry_s = match outcome.retry_after_ns {
                NEVER => -1,
                _ if verdict.is_allowed => -1,
                retry_after_ns => seconds(retry_after_ns),
            };
            let reset_s = match outcome.reset_after_ns {
                NEVER => -1,
                reset_after_ns => seconds(reset_after_ns),
            };
            (one.burst, outcome.remaining, retry_s, reset_s)
        }
    };
    reply.array(5);
    reply.integer(i64::from(!verdict.is_allowed));
    reply.integer(total as i64);
    reply.integer(remaining as i64);
    reply.integer(retry_s);
    reply.integer(reset_s);
}

/// Whole seconds, rounded up from whole milliseconds; what is below one of these is dropped.
fn seconds(ns: u64) -> i64 {
    (ns / NS_PER_MS).div_ceil(1000) as i64
}
