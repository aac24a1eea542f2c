//! Rules as a file.
//!
//! Job: write down what a rule says, for the importers. In: rules. Out: TOML. Invariant: reading it
//! gives the same rule.

use std::fmt::Write;

use ringlet_base::config::values::name_of;
use toml::Value;

use super::limit::Shape;
use super::period::{calendar_name, write_period};
use super::rule::{IPV4_PREFIX, IPV6_PREFIX, ON_STORE_FAILURE, mode_name};
use super::words::{entry_value, write_key_part, write_network};
use crate::model::{
    AccessLists, Condition, DescriptorEntry, KeyPart, Limit, Mode, OnStoreFailure, Rule,
};

/// A text in quotes, as TOML has it.
#[must_use]
pub fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn list(texts: impl Iterator<Item = String>) -> String {
    format!("[{}]", texts.collect::<Vec<_>>().join(", "))
}

/// The section of a rule; what holds if nothing is said is not said, but for algorithm and burst.
#[must_use]
pub fn write_rule(rule: &Rule) -> String {
    let mut out = String::new();
    let is_bare =
        rule.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let name = if is_bare { rule.name.clone() } else { quoted(&rule.name) };
    put(&mut out, format_args!("[rule.{name}]"));
    if let Some(domain) = &rule.domain {
        put(&mut out, format_args!("domain = {}", quoted(domain)));
    }
    if let Some(entries) = &rule.descriptor {
        put(&mut out, format_args!("descriptor = {}", list(entries.iter().map(entry))));
    }
    conditions(&mut out, &rule.conditions);
    key(&mut out, &rule.key);
    match &rule.limit {
        Some(limit) => numbers(&mut out, limit),
        None => put(&mut out, format_args!("unlimited = true")),
    }
    if rule.cost != 1 {
        put(&mut out, format_args!("cost = {}", rule.cost));
    }
    if let Mode::Soft { credit } = rule.mode {
        put(&mut out, format_args!("mode = {}\ncredit = {credit}", quoted(mode_name(rule.mode))));
    }
    if rule.on_store_failure != OnStoreFailure::Share {
        let name = name_of(&ON_STORE_FAILURE, &rule.on_store_failure);
        put(&mut out, format_args!("on_store_failure = {}", quoted(name)));
    }
    for (key, is_set) in
        [("shadow", rule.is_shadow), ("quota", rule.is_quota), ("local", rule.is_local)]
    {
        if is_set {
            put(&mut out, format_args!("{key} = true"));
        }
    }
    out
}

/// The lists, or nothing if they are empty.
#[must_use]
pub fn write_lists(lists: &AccessLists) -> String {
    let mut out = String::new();
    for (key, networks) in [("allow", &lists.allow), ("deny", &lists.deny)] {
        if networks.is_empty() {
            continue;
        }
        if out.is_empty() {
            out.push_str("[lists]\n");
        }
        let networks = networks.iter().map(|network| quoted(&write_network(network)));
        put(&mut out, format_args!("{key} = {}", list(networks)));
    }
    out
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}

fn entry(entry: &DescriptorEntry) -> String {
    let value = entry_value(entry);
    if entry.key.contains('=') {
        let value = value.map_or(String::new(), |value| format!(", value = {}", quoted(&value)));
        return format!("{{ key = {}{value} }}", quoted(&entry.key));
    }
    quoted(&entry_text(entry))
}

/// An entry as `key=value`.
pub(super) fn entry_text(entry: &DescriptorEntry) -> String {
    match entry_value(entry) {
        Some(value) => format!("{}={value}", entry.key),
        None => entry.key.clone(),
    }
}

fn conditions(out: &mut String, conditions: &[Condition]) {
    let mut headers = Vec::new();
    for condition in conditions {
        let texts = |texts: &[String]| list(texts.iter().map(|text| quoted(text)));
        match condition {
            Condition::Method(methods) => put(out, format_args!("method = {}", texts(methods))),
            Condition::Path(path) => put(out, format_args!("path = {}", quoted(path))),
            Condition::Host(hosts) => put(out, format_args!("host = {}", texts(hosts))),
            Condition::Header(name, value) => {
                let value = value.as_ref().map_or("true".to_owned(), |value| quoted(value));
                headers.push(format!("{} = {value}", quoted(name)));
            }
            Condition::Client(networks) => {
                let networks = networks.iter().map(|network| quoted(&write_network(network)));
                put(out, format_args!("client = {}", list(networks)));
            }
        }
    }
    if !headers.is_empty() {
        put(out, format_args!("header = {{ {} }}", headers.join(", ")));
    }
}

fn key(out: &mut String, key: &[KeyPart]) {
    if key.is_empty() {
        return;
    }
    let parts = key.iter().map(|part| quoted(&write_key_part(part)));
    put(out, format_args!("key = {}", list(parts)));
    for part in key {
        let KeyPart::ClientIp(v4, v6) = part else { continue };
        for (name, bits, usual) in
            [("ipv4_prefix", *v4, IPV4_PREFIX), ("ipv6_prefix", *v6, IPV6_PREFIX)]
        {
            if bits != usual {
                put(out, format_args!("{name} = {bits}"));
            }
        }
    }
}

fn numbers(out: &mut String, limit: &Limit) {
    put(out, format_args!("algorithm = {}", quoted(limit.algorithm.name)));
    let shape = Shape::of(limit.algorithm);
    let period = quoted(&write_period(limit.period_ns));
    let count = limit.count;
    match (&limit.calendar, shape) {
        (Some(calendar), _) => {
            let zone = calendar.zone.iana_name().unwrap_or("UTC");
            let (unit, zone) = (quoted(calendar_name(calendar.unit)), quoted(zone));
            put(out, format_args!("limit = {count}\nwindow = {unit}\nzone = {zone}"));
        }
        (None, Shape::Permits) => put(out, format_args!("permits = {count}\nhold = {period}")),
        (None, _) => put(out, format_args!("limit = {count}\nwindow = {period}")),
    }
    match shape {
        Shape::Bucket => put(out, format_args!("burst = {}", limit.burst)),
        Shape::Queue => put(out, format_args!("burst = {}", limit.burst.saturating_sub(1))),
        _ => {}
    }
}
