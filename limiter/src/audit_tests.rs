//! What stands in the audit log.
//!
//! Job: compare lines with what they must be. In: verdicts. Out: failed assertions. Invariant: the file lies
//! in the folder for temporary files and is removed.

use ringlet_limit::algorithm::Outcome;
use ringlet_limit::model::Rules;
use ringlet_limit::request::Reason;
use ringlet_limit::request::{Item, Part};
use ringlet_runtime::log::LogTarget;
use ringlet_runtime::log::writer;
use serde_json::{Value, json};

use super::*;

const TEXT: &[u8] = br#"login:10.0.0.1|%7C"\"#;

/// What is written by `act`, line by line.
fn written(name: &str, act: impl FnOnce(&mut AuditLog, &RuleSet)) -> Vec<Value> {
    let path = std::env::temp_dir().join(format!("ringlet-audit-{}-{name}", std::process::id()));
    let writer = writer::start("audit log", 1, LogTarget::File(path.clone())).expect("a file");
    let mut log = AuditLog::new(writer.handle(), 0, true);
    let rules = RuleSet::compile(&Rules::default(), None, 1).expect("no rules are rules");
    act(&mut log, &rules);
    log.finish(at(99_000));
    writer.finish();
    let text = std::fs::read_to_string(&path).expect("text");
    std::fs::remove_file(&path).expect("it was there");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn at(ms: u64) -> Instant {
    Instant { monotonic_ns: ms * NS_PER_MS, wall_clock_ms: 1_795_660_653_042 + ms as i64 }
}

/// One item for each part: whether it is allowed, whether a shadow, when to come again.
fn asked(parts: &[(bool, bool, u64)], reason: Reason) -> (Matched, Verdict) {
    let mut matched = Matched::default();
    matched.text.extend_from_slice(TEXT);
    let mut verdict = Verdict { is_allowed: true, reason, ..Verdict::default() };
    for &(is_allowed, is_shadow, retry_after_ns) in parts {
        let limit = LimitRef::Rule(0);
        let text = 0..TEXT.len();
        matched.items.push(Item { limit, hash: 1, cost: 2, text, descriptor: None });
        let outcome = Outcome { is_allowed, retry_after_ns, ..Outcome::default() };
        verdict.parts.push(Part { limit, descriptor: None, outcome, is_shadow });
        verdict.is_allowed &= is_allowed || is_shadow;
    }
    (matched, verdict)
}

#[test]
fn each_refusal_is_a_line() {
    let lines = written("lines", |log, rules| {
        let parts = [(false, false, 1_500_001), (true, false, 0), (false, true, NEVER)];
        let (matched, verdict) = asked(&parts, Reason::Limits);
        log.note(rules, &matched, &verdict, at(0));
        let (matched, verdict) = asked(&[(true, false, 0)], Reason::Limits);
        log.note(rules, &matched, &verdict, at(1));
        let denied = Verdict { reason: Reason::Lists, ..Verdict::default() };
        log.note(rules, &Matched::default(), &denied, at(2));
    });
    let at: Timestamp = lines[0]["time"].as_str().expect("text").parse().expect("a time");
    assert_eq!(at.as_millisecond(), 1_795_660_653_042);
    let line = |rule: Value, key: Value, cost: Value, reason: &str, retry: Value, shadow: bool| {
        json!({"rule": rule, "key": key, "cost": cost, "reason": reason,
            "retry_after_ms": retry, "shadow": shadow})
    };
    let key = json!(r#"10.0.0.1|%7C"\"#);
    let expected = [
        line(json!("login"), key.clone(), json!(2), "limits", json!(2), false),
        line(json!("login"), key, json!(2), "limits", Value::Null, true),
        line(Value::Null, Value::Null, Value::Null, "lists", Value::Null, false),
    ];
    let without_time = |line: &Value| {
        let mut line = line.clone();
        line.as_object_mut().expect("an object").remove("time");
        line
    };
    assert_eq!(lines.iter().map(without_time).collect::<Vec<_>>(), expected);
}

#[test]
fn so_many_lines_stand_there_for_a_second_and_the_rest_is_counted() {
    let most = u64::from(AUDIT_LINES_PER_SECOND);
    let lines = written("bound", |log, rules| {
        let (matched, verdict) = asked(&[(false, false, 1)], Reason::Limits);
        for _ in 0..most + 7 {
            log.note(rules, &matched, &verdict, at(5500));
        }
        log.on_tick(at(5999));
        log.note(rules, &matched, &verdict, at(6000));
        (0..most + 2).for_each(|_| log.note(rules, &matched, &verdict, at(7000)));
    });
    let left_out: Vec<(usize, u64)> = lines
        .iter()
        .enumerate()
        .filter_map(|(place, line)| Some((place, line.get("left_out")?.as_u64()?)))
        .collect();
    let most = most as usize;
    assert_eq!(left_out, [(most, 7), (2 * most + 2, 2)]);
    assert_eq!(lines.len(), 2 * most + 3);
}

#[test]
fn a_log_that_is_off_writes_nothing() {
    let lines = written("off", |log, rules| {
        log.is_on = false;
        let (matched, verdict) = asked(&[(false, false, 1)], Reason::Limits);
        log.note(rules, &matched, &verdict, at(0));
    });
    assert_eq!(lines, Vec::<Value>::new());
}
