//! Active checks and ejection.
//!
//! Job: the keys `check` and `ejection` of pools and of `[defaults]`. In: sections and what they
//! start from. Out: the model's. Invariant: a check that is given has exactly one kind.

use ringlet_base::config::values::{choice, describe, number, text, text_as, thousandths, time};
use ringlet_base::config::{Section, shown};
use toml::de::DeValue;

use super::{defaults, words};
use crate::model::{Check, CheckKind, Ejection};

/// `check = false`, `check = "tcp"`, `"resp"` or `"/path"`, or a table. Without it `base` holds,
/// and a table starts from it: its times always, what it asks if it is of the same kind.
pub fn read_check(section: &Section<'_>, base: Option<&Check>) -> Option<Check> {
    let Some(value) = section.value("check") else { return base.cloned() };
    if let DeValue::Table(_) = value.get_ref() {
        return read_table(section.table("check")?, base);
    }
    let kind = section.get("check", |value| match value {
        DeValue::Boolean(false) => Ok(None),
        DeValue::String(text) => kind_of_word(text).map(Some),
        other => Err(format!("{} is neither a table, a text nor false", describe(other))),
    })??;
    Some(Check { kind, ..base.cloned().unwrap_or_else(plain_check) })
}

/// The check of a word: `tcp`, `resp`, or a path for HTTP.
pub fn kind_of_word(word: &str) -> Result<CheckKind, String> {
    match word {
        "tcp" => Ok(CheckKind::Tcp),
        "resp" => Ok(CheckKind::Resp { password: None }),
        path if path.starts_with('/') => Ok(http(check_path(path)?)),
        other => Err(format!("\"{}\" is neither `tcp`, `resp` nor a path", shown(other))),
    }
}

/// A check by connecting, with the times that hold by default.
pub fn plain_check() -> Check {
    let interval_ms = defaults::CHECK_INTERVAL_MS;
    Check {
        kind: CheckKind::Tcp,
        interval_ms,
        fast_interval_ms: interval_ms / defaults::CHECK_FAST_DIVISOR,
        down_interval_ms: interval_ms,
        timeout_ms: interval_ms,
        rise: defaults::CHECK_RISE,
        fall: defaults::CHECK_FALL,
        jitter_percent: defaults::CHECK_JITTER_PERCENT,
        port: None,
    }
}

fn http(path: String) -> CheckKind {
    CheckKind::Http {
        method: "GET".to_owned(),
        path,
        host: None,
        status: vec![defaults::CHECK_STATUS],
        body: None,
    }
}

fn check_path(path: &str) -> Result<String, String> {
    if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        Ok(path.to_owned())
    } else {
        Err(format!("\"{}\" is not a path to ask for", shown(path)))
    }
}

fn read_table(section: Section<'_>, base: Option<&Check>) -> Option<Check> {
    let mut check = base.cloned().unwrap_or_else(plain_check);
    let kind = read_kind(&section, base.map(|base| &base.kind));
    if section.has("interval") {
        section.set("interval", &mut check.interval_ms, time);
        check.fast_interval_ms = (check.interval_ms / defaults::CHECK_FAST_DIVISOR).max(1);
        check.down_interval_ms = check.interval_ms;
        check.timeout_ms = check.interval_ms;
    }
    section.set("fast_interval", &mut check.fast_interval_ms, time);
    section.set("down_interval", &mut check.down_interval_ms, time);
    section.set("timeout", &mut check.timeout_ms, time);
    section.set("rise", &mut check.rise, number(1, u8::MAX));
    section.set("fall", &mut check.fall, number(1, u8::MAX));
    section.set("jitter", &mut check.jitter_percent, number(0, 50));
    if let Some(port) = section.get("port", number(1, u16::MAX)) {
        check.port = Some(port);
    }
    section.finish();
    Some(Check { kind: kind?, ..check })
}

/// The kind, from exactly one of the keys `tcp`, `http` and `resp`, or from `base`.
fn read_kind(section: &Section<'_>, base: Option<&CheckKind>) -> Option<CheckKind> {
    let yes = |value: &DeValue<'_>| match value {
        DeValue::Boolean(true) => Ok(()),
        other => Err(format!("{} is not true", describe(other))),
    };
    let given: Vec<&str> =
        ["tcp", "http", "resp"].into_iter().filter(|key| section.has(key)).collect();
    if given.len() > 1 {
        section.wrong(given[1], &format!("the check is of kind `{}` already", given[0]));
    }
    let mut kind = match (given.first().copied(), base) {
        (Some("tcp"), _) => section.get("tcp", yes).map(|()| CheckKind::Tcp),
        (Some("http"), base) => section.get("http", text_as(check_path)).map(|path| {
            let mut kind = match base {
                Some(base @ CheckKind::Http { .. }) => base.clone(),
                _ => http(String::new()),
            };
            if let CheckKind::Http { path: target, .. } = &mut kind {
                *target = path;
            }
            kind
        }),
        (Some(_), base) => section.get("resp", yes).map(|()| match base {
            Some(base @ CheckKind::Resp { .. }) => base.clone(),
            _ => CheckKind::Resp { password: None },
        }),
        (None, Some(base)) => Some(base.clone()),
        (None, None) => {
            section.wrong_table("no `tcp`, `http` or `resp`", "");
            None
        }
    };
    for (key, of) in KIND_KEYS {
        if section.has(key) && kind.as_ref().is_some_and(|kind| kind_name(kind) != of) {
            section.wrong(key, &format!("is for checks of kind `{of}`"));
        }
    }
    match &mut kind {
        Some(CheckKind::Http { method, host, status, body, .. }) => {
            section.set("method", method, text_as(check_method));
            section.set("host", host, text_as(|text| words::field_value(text).map(Some)));
            if let Some(ranges) = section.filled_list("status", status_range) {
                *status = ranges;
            }
            section.set("body", body, |value| text(value).map(Some));
            if body.is_some() && method == "HEAD" {
                section.wrong("method", "the response to HEAD has no `body`");
            }
        }
        Some(CheckKind::Resp { password }) => {
            section.set("password", password, |value| text(value).map(Some));
        }
        _ => {}
    }
    kind
}

/// Keys of one kind.
const KIND_KEYS: [(&str, &str); 5] = [
    ("method", "http"),
    ("host", "http"),
    ("status", "http"),
    ("body", "http"),
    ("password", "resp"),
];

/// The key that says the kind.
pub fn kind_name(kind: &CheckKind) -> &'static str {
    match kind {
        CheckKind::Tcp => "tcp",
        CheckKind::Http { .. } => "http",
        CheckKind::Resp { .. } => "resp",
    }
}

fn check_method(text: &str) -> Result<String, String> {
    let methods = [("GET", "GET"), ("HEAD", "HEAD"), ("OPTIONS", "OPTIONS")];
    choice(text, &methods).map(str::to_owned)
}

/// `200` or `"200-399"`.
fn status_range(value: &DeValue<'_>) -> Result<(u16, u16), String> {
    let wrong = || format!("{} is not a status or a range such as \"200-399\"", describe(value));
    let status = |text: &str| -> Option<u16> {
        text.parse().ok().filter(|status| text.len() == 3 && (100..=599).contains(status))
    };
    let given = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        _ => return Err(wrong()),
    };
    let (from, to) = given.split_once('-').unwrap_or((&given, &given));
    match (status(from), status(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        _ => Err(wrong()),
    }
}

/// `ejection = false` or `true`, or a table.
pub fn read_ejection(section: &Section<'_>, base: Option<&Ejection>) -> Option<Ejection> {
    let Some(value) = section.value("ejection") else { return base.cloned() };
    let start = base.cloned().unwrap_or(defaults::EJECTION);
    if !value.get_ref().is_table() {
        let is_on = section.get("ejection", |value| {
            let wrong = || format!("{} is neither a table, true nor false", describe(value));
            value.as_bool().ok_or_else(wrong)
        });
        return is_on.unwrap_or(true).then_some(start);
    }
    let section = section.table("ejection")?;
    let mut ejection = start;
    let many = number(0, u32::MAX);
    section.set("consecutive_failures", &mut ejection.consecutive_failures, &many);
    section.set("interval", &mut ejection.interval_ms, time);
    section.set("base", &mut ejection.base_ms, time);
    section.set("max", &mut ejection.max_ms, time);
    section.set("max_percent", &mut ejection.max_percent, number(0, 100));
    section.set("success_requests_min", &mut ejection.success_requests_min, &many);
    section.set("success_hosts_min", &mut ejection.success_hosts_min, number(2, u32::MAX));
    section.set("success_deviation", &mut ejection.success_deviation_thousandths, thousandths);
    if ejection.max_ms < ejection.base_ms {
        let key = if section.has("max") { "max" } else { "base" };
        section.wrong(key, "`max` is shorter than `base`");
    }
    section.finish();
    Some(ejection)
}
