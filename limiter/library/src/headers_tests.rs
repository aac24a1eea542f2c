//! Tests of what a response tells of limits, byte by byte.

use std::sync::Arc;

use super::*;
use crate::algorithm::algorithm_by_name;
use crate::model::{Limit, Mode, OnStoreFailure, Rule, Rules};
use crate::request::Part;

/// Rules of several kinds. `bucket`: 100 a minute, at most 10 at once; `daily`: 1000 a day in a window of
/// the calendar; `month` the same by month; `quick`: 3 in 1.5 s.
fn rules() -> RuleSet {
    let day = Some(CalendarUnit::Day);
    let month = Some(CalendarUnit::Month);
    let rules = vec![
        rule("bucket", "token-bucket", (100, 60_000, 10), None),
        rule("daily", "fixed-window", (1000, 86_400_000, 1000), day),
        rule("month", "fixed-window", (9000, 86_400_000, 9000), month),
        rule("quick", "gcra", (3, 1500, 3), None),
    ];
    RuleSet::compile(&Rules { rules, ..Rules::default() }, None, 1).expect("right rules")
}

fn rule(
    name: &str,
    algorithm: &str,
    (count, period_ms, burst): (u64, u64, u64),
    unit: Option<CalendarUnit>,
) -> Arc<Rule> {
    let algorithm = algorithm_by_name(algorithm).expect("an algorithm");
    let calendar = unit.map(|unit| Calendar { unit, zone: jiff::tz::TimeZone::UTC });
    let limit = Limit { algorithm, count, period_ns: period_ms * NS_PER_MS, burst, calendar };
    Arc::new(Rule {
        name: name.to_owned(),
        domain: None,
        conditions: Vec::new(),
        descriptor: None,
        key: Vec::new(),
        limit: Some(limit),
        cost: 1,
        is_shadow: false,
        is_quota: false,
        mode: Mode::Hard,
        on_store_failure: OnStoreFailure::Share,
        is_local: false,
    })
}

/// Remaining, milliseconds until a retry (0: allowed) and until all is back.
fn part(rules: &RuleSet, name: &str, (remaining, retry_ms, reset_ms): (u64, u64, u64)) -> Part {
    let (slot, _) = rules.slots().find(|(_, rule)| rule.name == name).expect("a rule");
    let outcome = Outcome {
        is_allowed: retry_ms == 0,
        remaining,
        retry_after_ns: retry_ms * NS_PER_MS,
        reset_after_ns: reset_ms * NS_PER_MS,
        delay_ns: 0,
    };
    Part { limit: LimitRef::Rule(slot), descriptor: None, outcome, is_shadow: false }
}

fn headers(style: HeaderStyle, rules: &RuleSet, verdict: &Verdict) -> String {
    let mut out = Vec::new();
    write_headers(style, &Report { rules, verdict, unix_ms: 1_700_000_000_500 }, &mut out);
    String::from_utf8(out).expect("text")
}

fn verdict(is_allowed: bool, parts: Vec<Part>) -> Verdict {
    Verdict { is_allowed, parts, ..Verdict::default() }
}

#[test]
fn every_style_tells_what_is_allowed() {
    let rules = rules();
    let parts = vec![part(&rules, "bucket", (7, 0, 1801)), part(&rules, "daily", (5, 0, 9000))];
    let verdict = verdict(true, parts);
    let rows = [
        (
            "ietf",
            "RateLimit-Policy: \"bucket\";q=100;w=60, \"daily\";q=1000;w=86400\r\n\
             RateLimit: \"bucket\";r=7;t=2, \"daily\";r=5;t=9\r\n",
        ),
        (
            "x-ratelimit",
            "X-RateLimit-Limit: 1000, 100;w=60;name=\"bucket\", 1000;w=86400;name=\"daily\"\r\n\
             X-RateLimit-Remaining: 5\r\nX-RateLimit-Reset: 9\r\n",
        ),
        (
            "github",
            "X-RateLimit-Limit: 1000\r\nX-RateLimit-Remaining: 5\r\n\
             X-RateLimit-Reset: 1700000010\r\n",
        ),
        ("none", ""),
    ];
    assert!(HeaderStyle::names().eq(rows.map(|(name, _)| name)));
    for (name, expected) in rows {
        let style = HeaderStyle::by_name(name).expect("a style");
        assert_eq!(headers(style, &rules, &verdict), expected, "{name}");
    }
    assert_eq!(HeaderStyle::by_name("github2"), None);
}

#[test]
fn every_style_tells_what_is_refused() {
    let rules = rules();
    let parts = vec![
        part(&rules, "daily", (0, 0, 80_000_000)),
        part(&rules, "quick", (1, 2400, 3000)),
        part(&rules, "bucket", (2, 3001, 9000)),
    ];
    let verdict = verdict(false, parts);
    let rows = [
        (
            HeaderStyle::Ietf,
            "RateLimit-Policy: \"daily\";q=1000;w=86400, \"quick\";q=4;w=2, \"bucket\";q=100;w=60\r\n\
             RateLimit: \"daily\";r=0, \"quick\";r=1;t=3, \"bucket\";r=2;t=4\r\n\
             Retry-After: 4\r\n",
        ),
        (
            HeaderStyle::XRateLimit,
            "X-RateLimit-Limit: 3, 1000;w=86400;name=\"daily\", 4;w=2;name=\"quick\", \
             100;w=60;name=\"bucket\"\r\n\
             X-RateLimit-Remaining: 1\r\nX-RateLimit-Reset: 3\r\nRetry-After: 4\r\n",
        ),
        (
            HeaderStyle::Github,
            "X-RateLimit-Limit: 3\r\nX-RateLimit-Remaining: 1\r\n\
             X-RateLimit-Reset: 1700000003\r\nRetry-After: 4\r\n",
        ),
        (HeaderStyle::None, "Retry-After: 4\r\n"),
    ];
    for (style, expected) in rows {
        assert_eq!(headers(style, &rules, &verdict), expected, "{style:?}");
    }
}

#[test]
fn what_does_not_count_or_is_not_known_is_not_told() {
    let rules = rules();
    let mut shadow = part(&rules, "bucket", (0, 5000, 5000));
    shadow.is_shadow = true;
    shadow.outcome.delay_ns = 7;
    let shadow_only = verdict(true, vec![shadow.clone()]);
    let mut never = part(&rules, "daily", (9, 1, 1));
    never.outcome.retry_after_ns = NEVER;
    let refused = verdict(false, vec![shadow, never]);
    for style in STYLES.map(|row| row.style) {
        assert_eq!(headers(style, &rules, &shadow_only), "", "{style:?}");
        let lines = headers(style, &rules, &refused);
        assert!(!lines.contains("Retry-After") && !lines.contains("bucket"), "{lines}");
    }
    let monthly = verdict(true, vec![part(&rules, "month", (1, 0, 1000))]);
    let lines = headers(HeaderStyle::Ietf, &rules, &monthly);
    assert_eq!(lines, "RateLimit-Policy: \"month\";q=9000\r\nRateLimit: \"month\";r=1;t=1\r\n");
}

#[test]
fn of_one_name_the_limit_nearest_to_its_end_is_told() {
    let rules = rules();
    let parts = [(4, 0, 1000), (0, 700, 2000), (0, 900, 3000)];
    let parts = parts.map(|numbers| part(&rules, "bucket", numbers)).to_vec();
    let lines = headers(HeaderStyle::Ietf, &rules, &verdict(false, parts));
    let expected = "RateLimit-Policy: \"bucket\";q=100;w=60\r\nRateLimit: \"bucket\";r=0;t=1\r\n\
                    Retry-After: 1\r\n";
    assert_eq!(lines, expected);
}

#[test]
fn delays_are_told_to_whoever_goes_on() {
    let rules = rules();
    let mut slow = part(&rules, "quick", (1, 0, 1000));
    slow.outcome.delay_ns = 20_000_001;
    let allowed = verdict(true, vec![slow.clone(), part(&rules, "bucket", (1, 0, 1000))]);
    assert_eq!(headers(HeaderStyle::None, &rules, &allowed), "X-RateLimit-Delay-Ms: 21\r\n");
    let refused = verdict(false, vec![slow]);
    assert_eq!(headers(HeaderStyle::None, &rules, &refused), "Retry-After: 1\r\n");
}

#[test]
fn the_reason_of_a_denial_decides_status_and_problem() {
    let rules = rules();
    let used_up =
        ["\"https://iana.org/assignments/http-problem-types#quota-exceeded\"", "\"about:blank\""];
    let trouble = "\"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity\"";
    let rows = [
        (Reason::Limits, 429, used_up[0]),
        (Reason::Lists, 403, used_up[1]),
        (Reason::Store, 503, trouble),
        (Reason::Overload, 503, trouble),
    ];
    for (reason, status, kind) in rows {
        assert_eq!(denial_status(reason, None), status);
        assert_eq!(denial_status(reason, Some(418)), 418);
        let verdict = Verdict { reason, ..verdict(false, Vec::new()) };
        let report = Report { rules: &rules, verdict: &verdict, unix_ms: 0 };
        let mut out = Vec::new();
        write_problem(&report, status, &mut out);
        let text = String::from_utf8(out).expect("text");
        assert!(text.starts_with(&format!("{{\"type\":{kind},\"title\":\"")), "{text}");
        assert!(text.ends_with(&format!("\",\"status\":{status}}}")), "{text}");
    }
    let parts = vec![
        part(&rules, "daily", (0, 5, 5)),
        part(&rules, "month", (1, 0, 5)),
        part(&rules, "quick", (0, 5, 5)),
    ];
    let verdict = verdict(false, parts);
    let report = Report { rules: &rules, verdict: &verdict, unix_ms: 0 };
    let mut out = Vec::new();
    write_problem(&report, 429, &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        format!(
            "{{\"type\":{},\"title\":\"A limit is used up\",\"status\":429,\
             \"violated-policies\":[\"daily\",\"quick\"]}}",
            used_up[0]
        )
    );
}

#[test]
fn access_lists_never_say_when_to_come_back() {
    let rules = rules();
    let verdict = Verdict { reason: Reason::Lists, ..Verdict::default() };
    assert_eq!(headers(HeaderStyle::Ietf, &rules, &verdict), "");
    let verdict = Verdict { reason: Reason::Overload, ..Verdict::default() };
    assert_eq!(headers(HeaderStyle::Ietf, &rules, &verdict), "Retry-After: 1\r\n");
}
