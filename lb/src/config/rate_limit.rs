//! Rate limits.
//!
//! Job: `[rate_limits]`, `[rate_limit.NAME]`, and the key `rate_limit` of listeners and routes. In:
//! sections. Out: [`RateLimits`], and indexes of its rules; TOML. Invariant: each rule is one that the
//! library's reader takes, that a balancer can hold requests against, and that something names; what
//! [`write`] writes is read as the same.

use std::sync::Arc;

use ringlet_base::config::units::write_time;
use ringlet_base::config::values::{number, text, text_as};
use ringlet_base::config::{Section, listed, shown, suggestion};
use ringlet_limit::config::{
    StoreSettings, quoted, read_lists, read_rule_tables, read_store, write_lists, write_rule,
};
use ringlet_limit::headers::HeaderStyle;
use ringlet_limit::model::{Condition, KeyPart, LIMITS_PER_CHECK_MAX, Rule};
use toml::de::DeValue;

use super::defaults;
use crate::model::{Listener, RateLimits};

/// The fewest keys that make sense, and the most: 64 GiB of them.
const KEYS_MIN: u64 = 1000;
const KEYS_MAX: u64 = 1_000_000_000;

/// Keys of rules that mean something to `ringlet-limiter` only, and why not here.
const FOREIGN_KEYS: [(&str, &str); 4] = [
    ("domain", "a rule applies where `rate_limit` of a listener or route names it"),
    ("descriptor", "descriptors come from Envoy, to ringlet-limiter"),
    ("quota", "descriptors come from Envoy, to ringlet-limiter"),
    ("unlimited", "leave the rule out; clients that none applies to stand in [rate_limits.lists]"),
];

/// The rules, and what they have in common.
pub fn read(root: &Section<'_>) -> RateLimits {
    let mut limits = defaults::rate_limits();
    if let Some(section) = root.table("rate_limits") {
        section.set("keys", &mut limits.keys_max, number(KEYS_MIN, KEYS_MAX));
        limits.store = read_store(&section);
        limits.rules.lists = read_lists(&section);
        section.finish_with(|key| match key {
            "rule" | "limit" | "window" | "algorithm" | "key" => {
                Some("a rule is a table of its own: [rate_limit.NAME]".to_owned())
            }
            "allow" | "deny" => Some("it belongs to [rate_limits.lists]".to_owned()),
            "address" => Some("it belongs to [rate_limits.store]".to_owned()),
            _ => None,
        });
    }
    limits.rules.rules = read_rule_tables(root, "rate_limit", limits.store.as_ref());
    let Some(section) = root.table("rate_limit") else { return limits };
    for (name, value) in section.entries() {
        let Some(table) = value.get_ref().as_table() else { continue };
        let section = section.below(name, table, value.span().start);
        for (key, why) in FOREIGN_KEYS {
            if section.has(key) {
                section.wrong(key, &format!("has no meaning in a balancer: {why}"));
            }
        }
        let rule = limits.rules.rules.iter().find(|rule| rule.name == name);
        let parts = rule.iter().flat_map(|rule| &rule.key);
        if parts.into_iter().any(|part| matches!(part, KeyPart::Descriptor(_))) {
            section.wrong("key", "a balancer's requests have no descriptors");
        }
    }
    limits
}

/// The rules that `rate_limit` of a section names.
pub fn names(section: &Section<'_>, rules: &[Arc<Rule>]) -> Option<Vec<usize>> {
    let index = |name: &str| {
        let hint = || suggestion(name, rules.iter().map(|rule| rule.name.as_str()));
        let place = rules.iter().position(|rule| rule.name == name);
        place.ok_or_else(|| format!("no [rate_limit.NAME] is called \"{}\"{}", shown(name), hint()))
    };
    let mut found = Vec::new();
    for place in section.list("rate_limit", |value| index(&text(value)?))? {
        if found.contains(&place) {
            section.wrong("rate_limit", &format!("`{}` is there twice", rules[place].name));
        }
        found.push(place);
    }
    Some(found)
}

/// How clients are told of limits.
pub fn style(value: &DeValue<'_>) -> Result<HeaderStyle, String> {
    text_as(|text| {
        let names: Vec<&str> = HeaderStyle::names().collect();
        HeaderStyle::by_name(text)
            .ok_or_else(|| format!("\"{}\" is none of {}", shown(text), listed(&names)))
    })(value)
}

/// Whether rules look at no more than a TCP connection has: its client's address.
pub fn check_tcp(section: &Section<'_>, indexes: &[usize], rules: &[Arc<Rule>]) {
    for rule in indexes.iter().map(|&index| &rules[index]) {
        let is_address = |condition: &Condition| matches!(condition, Condition::Client(_));
        let is_ip = |part: &KeyPart| matches!(part, KeyPart::ClientIp(..));
        if !rule.conditions.iter().all(is_address) || !rule.key.iter().all(is_ip) {
            let name = &rule.name;
            section.wrong(
                "rate_limit",
                &format!(
                    "`{name}` looks at HTTP, and in mode tcp there is only the client's address"
                ),
            );
        }
    }
}

/// Whether each rule is named by something, and no request is held against too many.
pub fn check_use(root: &Section<'_>, rules: &[Arc<Rule>], listeners: &[Listener]) {
    let mut is_used = vec![false; rules.len()];
    for listener in listeners {
        let of_routes = listener.routes.iter().map(|route| &route.rate_limits);
        for &index in of_routes.clone().flatten().chain(&listener.rate_limits) {
            is_used[index] = true;
        }
        let most = of_routes.map(Vec::len).max().unwrap_or(0) + listener.rate_limits.len();
        if most > LIMITS_PER_CHECK_MAX {
            root.wrong(
                "rate_limit",
                &format!(
                    "listener {} holds a request against {most} rules; the most are \
                     {LIMITS_PER_CHECK_MAX}",
                    listener.name
                ),
            );
        }
    }
    let Some(section) = root.table("rate_limit") else { return };
    for (rule, is_used) in rules.iter().zip(is_used) {
        if !is_used {
            section.wrong(&rule.name, "limits nothing: no listener and no route names it");
        }
    }
}

/// Writes all that is not as it is without a word.
pub fn write(out: &mut String, limits: &RateLimits) {
    let RateLimits { keys_max, store, rules } = limits;
    if rules.rules.is_empty() && *limits == defaults::rate_limits() {
        return;
    }
    out.push_str(&format!("\n[rate_limits]\nkeys = {keys_max}\n"));
    if let Some(store) = store {
        write_store(out, store);
    }
    let lists = write_lists(&rules.lists);
    if !lists.is_empty() {
        out.push('\n');
        out.push_str(&lists.replacen("[lists]", "[rate_limits.lists]", 1));
    }
    for rule in &rules.rules {
        out.push('\n');
        out.push_str(&write_rule(rule).replacen("[rule.", "[rate_limit.", 1));
    }
}

fn write_store(out: &mut String, store: &StoreSettings) {
    let addresses: Vec<String> = store.addresses.iter().map(|one| quoted(one)).collect();
    out.push_str("\n[rate_limits.store]\n");
    out.push_str(&format!(
        "address = [{}]\ncluster = {}\n",
        addresses.join(", "),
        store.is_cluster
    ));
    for (key, value) in [("username", &store.username), ("password", &store.password)] {
        if let Some(value) = value {
            out.push_str(&format!("{key} = {}\n", quoted(value)));
        }
    }
    let (timeout, renewal) = (write_time(store.timeout_ms), write_time(store.renewal_ms));
    out.push_str(&format!(
        "timeout = {}\nnodes = {}\nprefix = {}\nrenewal = {}\nlease_percent = {}\n",
        quoted(&timeout),
        store.nodes,
        quoted(&store.prefix),
        quoted(&renewal),
        store.lease_percent
    ));
}
