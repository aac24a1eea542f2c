//! Rules.
//!
//! Job: one `[rule.NAME]`. In: its section, what the file says of the store. Out: a [`Rule`].
//! Invariant: what a rule says is what it does; two things that cannot both hold are a problem.

use std::cell::Cell;

use ringlet_base::config::Section;
use ringlet_base::config::values::{choice, describe, flag, name_of, number, text_as};
use toml::de::DeValue;

use super::store::StoreSettings;
use super::{limit, words};
use crate::algorithm::Spread;
use crate::lease::can_be_leased;
use crate::model::{
    AMOUNT_MAX, Condition, DescriptorEntry, KeyPart, Limit, Mode, OnStoreFailure, Rule,
};

/// The most entries of a descriptor.
const ENTRIES_MAX: usize = 32;

/// What holds while the store cannot be asked, by name.
pub(super) const ON_STORE_FAILURE: [(&str, OnStoreFailure); 3] = [
    ("share", OnStoreFailure::Share),
    ("open", OnStoreFailure::Open),
    ("closed", OnStoreFailure::Closed),
];

/// Modes by name; whether it is the soft one.
pub(super) const MODES: [(&str, bool); 2] = [("hard", false), ("soft", true)];

/// Bits of an IPv4 address that tell clients apart, if nothing is said.
pub const IPV4_PREFIX: u8 = 32;
/// The same for IPv6: what one customer usually has.
pub const IPV6_PREFIX: u8 = 64;

/// A rule that applies to all, counts all together and is shared, with a limit.
#[must_use]
pub fn plain(name: String, limit: Option<Limit>) -> Rule {
    Rule {
        name,
        domain: None,
        conditions: Vec::new(),
        descriptor: None,
        key: Vec::new(),
        limit,
        cost: 1,
        is_shadow: false,
        is_quota: false,
        mode: Mode::Hard,
        on_store_failure: OnStoreFailure::Share,
        is_local: false,
    }
}

/// Reads the section of a rule.
#[must_use]
pub fn read(section: Section<'_>, name: &str, store: Option<&StoreSettings>) -> Rule {
    let mut rule = plain(name.to_owned(), None);
    section.set("domain", &mut rule.domain, text_as(|text| words::domain(text).map(Some)));
    rule.conditions = read_conditions(&section);
    rule.descriptor = read_descriptor(&section);
    if rule.descriptor.is_some() {
        for key in CONDITIONS.iter().filter(|key| section.has(key)) {
            section.wrong(key, "a rule with a `descriptor` looks at nothing else");
        }
    }
    rule.key = read_key(&section, rule.descriptor.as_deref());
    section.set("shadow", &mut rule.is_shadow, flag);
    section.set("quota", &mut rule.is_quota, flag);
    if rule.is_quota && rule.descriptor.is_none() {
        section.wrong("quota", "needs a `descriptor`");
    }
    if section.get("unlimited", flag).unwrap_or(false) {
        check_unlimited(&section);
    } else {
        rule.limit = limit::read(&section);
        read_cost(&section, &mut rule);
        read_sharing(&section, &mut rule, store);
    }
    section.finish_with(|key| match key {
        "period" | "interval" | "per" => Some("did you mean `window`?".to_owned()),
        "requests" | "count" | "average" => Some("did you mean `limit`?".to_owned()),
        "dry_run" | "shadow_mode" => Some("did you mean `shadow`?".to_owned()),
        "queue" => Some("did you mean `burst`?".to_owned()),
        "methods" => Some("did you mean `method`?".to_owned()),
        "by" => Some("did you mean `key`?".to_owned()),
        _ => None,
    });
    rule
}

/// Keys that say what a rule without a descriptor applies to.
const CONDITIONS: [&str; 5] = ["method", "path", "host", "header", "client"];

fn read_conditions(section: &Section<'_>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let methods = section.filled_list("method", text_as(words::method));
    conditions.extend(methods.map(Condition::Method));
    conditions.extend(section.get("path", text_as(words::path)).map(Condition::Path));
    conditions.extend(section.filled_list("host", text_as(words::host)).map(Condition::Host));
    if let Some(headers) = section.table("header") {
        for (name, value) in headers.entries() {
            conditions.extend(headers.understand(name, value, |value| header(name, value)));
        }
    }
    let networks = section.filled_list("client", text_as(words::network));
    conditions.extend(networks.map(Condition::Client));
    conditions
}

/// `x-plan = "free"` or `x-beta = true`.
fn header(name: &str, value: &DeValue<'_>) -> Result<Condition, String> {
    let value = match value {
        DeValue::Boolean(true) => None,
        DeValue::String(text) => Some(words::field_value(text)?),
        other => return Err(format!("{} is neither a text nor true", describe(other))),
    };
    Ok(Condition::Header(words::token(name)?.to_ascii_lowercase(), value))
}

/// `"key=value"`, `"key=prefix*"`, `"key"`, or a list; an entry whose key has a `=` is a table.
fn read_descriptor(section: &Section<'_>) -> Option<Vec<DescriptorEntry>> {
    let entries = section.filled_list("descriptor", |value| match value {
        DeValue::String(text) => words::descriptor_entry(text),
        DeValue::Table(table) => {
            let part = |key: &str| table.get(key).map(|value| value.get_ref().as_str());
            let is_known =
                table.iter().all(|(key, _)| ["key", "value"].contains(&key.as_ref().as_ref()));
            match (part("key"), part("value")) {
                (Some(Some(key)), None) if is_known => words::entry(key, None),
                (Some(Some(key)), Some(Some(value))) if is_known => words::entry(key, Some(value)),
                _ => Err("an entry is written \"key=value\" or { key = \"...\", value = \"...\" }"
                    .to_owned()),
            }
        }
        other => Err(format!("{} is not an entry such as \"key=value\"", describe(other))),
    })?;
    if entries.len() > ENTRIES_MAX {
        section.wrong("descriptor", &format!("has more than {ENTRIES_MAX} entries"));
    }
    Some(entries)
}

fn read_key(section: &Section<'_>, descriptor: Option<&[DescriptorEntry]>) -> Vec<KeyPart> {
    let mut key = Vec::new();
    for part in section.filled_list("key", text_as(words::key_part)).unwrap_or_default() {
        if key.contains(&part) {
            section.wrong("key", &format!("`{}` is there twice", words::write_key_part(&part)));
        }
        check_part(section, &part, descriptor);
        key.push(part);
    }
    let v4 = section.get("ipv4_prefix", number(1, 32)).unwrap_or(IPV4_PREFIX);
    let v6 = section.get("ipv6_prefix", number(1, 128)).unwrap_or(IPV6_PREFIX);
    let mut has_address = false;
    for part in &mut key {
        if let KeyPart::ClientIp(bits4, bits6) = part {
            (*bits4, *bits6) = (v4, v6);
            has_address = true;
        }
    }
    for prefix in ["ipv4_prefix", "ipv6_prefix"] {
        if section.has(prefix) && !has_address {
            section.wrong(prefix, "needs \"ip\" in `key`");
        }
    }
    key
}

fn check_part(section: &Section<'_>, part: &KeyPart, descriptor: Option<&[DescriptorEntry]>) {
    let Some(entries) = descriptor else { return };
    let text = words::write_key_part(part);
    match part {
        KeyPart::Descriptor(key) if entries.iter().any(|entry| entry.key == *key) => {}
        KeyPart::Descriptor(_) => {
            section.wrong("key", &format!("`{text}`: the rule's `descriptor` has no such entry"));
        }
        _ => section
            .wrong("key", &format!("`{text}`: a rule with a `descriptor` looks at nothing else")),
    }
}

/// A rule without limit has nothing but what it applies to.
fn check_unlimited(section: &Section<'_>) {
    if !section.has("descriptor") {
        section.wrong(
            "unlimited",
            "needs a `descriptor`; clients that no rule applies to stand in `allow` of [lists]",
        );
    }
    let others = ["cost", "mode", "credit", "on_store_failure", "local", "key"];
    for key in limit::keys().chain(others).chain(["shadow", "quota"]) {
        if section.has(key) {
            section.wrong(key, "the rule is `unlimited`");
        }
    }
}

fn read_cost(section: &Section<'_>, rule: &mut Rule) {
    section.set("cost", &mut rule.cost, number(1, AMOUNT_MAX));
    if let Some(limit) = &rule.limit
        && rule.cost > limit.burst
    {
        let most = limit.burst;
        section
            .wrong("cost", &format!("{} can never be allowed: at most {most} at once", rule.cost));
    }
}

/// How nodes share the limit.
fn read_sharing(section: &Section<'_>, rule: &mut Rule, store: Option<&StoreSettings>) {
    section.set("local", &mut rule.is_local, flag);
    section.set(
        "on_store_failure",
        &mut rule.on_store_failure,
        text_as(|text| choice(text, &ON_STORE_FAILURE)),
    );
    let is_soft = section.get("mode", text_as(|text| choice(text, &MODES))).unwrap_or(false);
    let credit = section.get("credit", number(1, AMOUNT_MAX));
    if section.has("credit") && !is_soft {
        section.wrong("credit", "needs `mode = \"soft\"`");
    }
    let Some(limit) = &rule.limit else { return };
    let name = limit.algorithm.name;
    let is_of_node = limit.algorithm.spread == Spread::Node;
    if is_of_node && !rule.is_local && store.is_some() {
        section.wrong_table(
            "no `local = true`",
            &format!(": algorithm `{name}` counts on each node alone, whatever the store"),
        );
    }
    let is_shared = store.is_some() && !rule.is_local && !is_of_node;
    if is_shared && !can_be_leased(limit) {
        section.wrong_table(
            "a burst too large for its period",
            ": the store cannot count so finely; take a smaller burst, a fixed window, or `local = true`",
        );
    }
    let told = Cell::new(false);
    for key in ["mode", "on_store_failure"] {
        if section.has(key) && (rule.is_local || is_of_node) && !told.replace(true) {
            section.wrong(key, "the rule is local: it asks no store");
        }
    }
    if is_soft {
        let nodes = store.map_or(1, |store| store.nodes);
        let credit = credit.unwrap_or_else(|| default_credit(limit, nodes));
        if credit > limit.burst {
            section
                .wrong("credit", &format!("is more than the {} at once of the limit", limit.burst));
        }
        rule.mode = Mode::Soft { credit };
    }
}

/// One percent of the limit for all nodes together, and one token at least for each.
fn default_credit(limit: &Limit, nodes: u64) -> u64 {
    (limit.count / 100 / nodes.max(1)).clamp(1, limit.burst)
}

/// The name of a mode.
pub(super) fn mode_name(mode: Mode) -> &'static str {
    name_of(&MODES, &matches!(mode, Mode::Soft { .. }))
}
