//! Rules in a configuration file.
//!
//! Job: read `[rule.NAME]`, `[lists]` and `[store]`, write rules down, and say what they mean. In:
//! the root section of a file, whoever's it is. Out: [`Rules`] and [`StoreSettings`], with problems
//! told to the section. Invariant: what [`write_rule`] writes is read as the same rule; bad input is
//! a problem, never a panic. Nothing is read but the file's text and the system's time zones.

mod limit;
mod period;
mod rule;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod words;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use ringlet_base::config::values::text_as;
use ringlet_base::config::{Section, suggestion};

pub use self::limit::{ALGORITHM_DEFAULT, algorithm, limit};
pub use self::period::read_rate;
pub use self::rule::{IPV4_PREFIX, IPV6_PREFIX, plain as plain_rule};
pub use self::store::{NODES_MAX, StoreSettings, read as read_store};
pub use self::table::{align, amount, rules_table, several};
pub use self::words::{
    domain, entry as descriptor_entry, host, key_part, network, path, rule_name, token,
    write_network,
};
pub use self::write::{quoted, write_lists, write_rule};
use crate::model::{AccessLists, RULES_MAX, Rule, Rules};

/// Reads all rules and the lists.
#[must_use]
pub fn read_rules(root: &Section<'_>, store: Option<&StoreSettings>) -> Rules {
    Rules { rules: read_rule_tables(root, "rule", store), lists: read_lists(root) }
}

/// Reads the rules below a key: `[KEY.NAME]`.
#[must_use]
pub fn read_rule_tables(
    root: &Section<'_>,
    key: &'static str,
    store: Option<&StoreSettings>,
) -> Vec<Arc<Rule>> {
    let mut rules = Vec::new();
    if root.value(key).is_some_and(|value| value.get_ref().is_array()) {
        let detail = format!("is a list; a rule is a table with a name: [{key}.NAME]");
        root.wrong(key, &detail);
    } else if let Some(section) = root.table(key) {
        for (name, value) in section.entries() {
            let Some(table) = value.get_ref().as_table() else {
                let hint = suggestion(name, ["algorithm", "limit", "window", "rate"]);
                let hint = match hint.is_empty() {
                    true => String::new(),
                    false => format!("; rules have names: [{key}.NAME]"),
                };
                section.wrong(name, &format!("is not a table{hint}"));
                continue;
            };
            if let Err(error) = rule_name(name) {
                section.wrong(name, &error);
            }
            let section = section.below(name, table, value.span().start);
            rules.push(Arc::new(rule::read(section, name, store)));
        }
        check_descriptors(&section, &rules);
        if rules.len() > RULES_MAX {
            root.wrong(key, &format!("there are more than {RULES_MAX} rules"));
        }
    }
    rules
}

/// A descriptor has one rule in a domain.
fn check_descriptors(section: &Section<'_>, rules: &[Arc<Rule>]) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.descriptor.is_some()) {
        let descriptor = format!("{:?}", (&rule.domain, &rule.descriptor));
        match seen.get(&descriptor) {
            Some(other) => {
                let detail = format!("rule {other} has the same `descriptor` and domain");
                section.wrong(&rule.name, &detail);
            }
            None => {
                seen.insert(descriptor, &rule.name);
            }
        }
    }
}

/// Reads `[lists]`.
#[must_use]
pub fn read_lists(root: &Section<'_>) -> AccessLists {
    let mut lists = AccessLists::default();
    if let Some(section) = root.table("lists") {
        lists.allow = section.list("allow", text_as(network)).unwrap_or_default();
        lists.deny = section.list("deny", text_as(network)).unwrap_or_default();
        section.finish_with(|key| match key {
            "whitelist" | "allowlist" => Some("did you mean `allow`?".to_owned()),
            "blacklist" | "denylist" | "block" => Some("did you mean `deny`?".to_owned()),
            _ => None,
        });
    }
    lists
}
