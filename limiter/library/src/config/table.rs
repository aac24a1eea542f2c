//! What rules mean, for a terminal.
//!
//! Job: a line for each rule, and what it admits at most. In: rules, the store. Out: text. Invariant:
//! the same rules give the same text; the bounds are those that the leases keep to.

use ringlet_base::config::values::name_of;

use super::limit::Shape;
use super::period::{calendar_name, write_period, write_rate};
use super::rule::{ON_STORE_FAILURE, mode_name};
use super::store::StoreSettings;
use super::words::{write_key_part, write_network};
use super::write::entry_text;
use crate::algorithm::Spread;
use crate::model::{Condition, KeyPart, Limit, Mode, Rule, Rules};

/// What stands for nothing.
const NOTHING: &str = "-";

/// All rules, then their bounds; two lines for each rule with a limit.
#[must_use]
pub fn rules_table(rules: &Rules, store: Option<&StoreSettings>) -> String {
    if rules.rules.is_empty() {
        return "no rules: all is allowed\n".to_owned();
    }
    let titles = ["RULE", "ALGORITHM", "LIMIT", "BURST", "MODE", "NO STORE", "NOTES", "KEY"];
    let mut rows = vec![row(titles.into_iter().chain(["APPLIES TO"]))];
    rows.extend(rules.rules.iter().map(|rule| rule_row(rule, store.is_some())));
    let titles: &[&str] = match store {
        Some(_) => &["RULE", "AT MOST", "OVER", "UNDER", "BY"],
        None => &["RULE", "AT MOST", "BY"],
    };
    let mut bounds = vec![row(titles.iter().copied())];
    for rule in &rules.rules {
        bounds.extend(rule.limit.as_ref().map(|limit| bound_row(rule, limit, store)));
    }
    let mut text = align(&rows);
    if bounds.len() > 1 {
        text.push('\n');
        text.push_str(&align(&bounds));
        text.push_str(if store.is_some() { LEGEND } else { "" });
    }
    text
}

const LEGEND: &str = "OVER, UNDER: by how much all nodes together may be over or under the limit in a \
                      window\n";

/// A number of things by their name: "1 node", "2 nodes".
#[must_use]
pub fn several(number: u64, name: &str) -> String {
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

fn row<'a>(cells: impl Iterator<Item = &'a str>) -> Vec<String> {
    cells.map(str::to_owned).collect()
}

/// Rows with their cells below each other.
#[must_use]
pub fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', 2 + width - cell.chars().count().min(*width)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn rule_row(rule: &Rule, has_store: bool) -> Vec<String> {
    let nothing = || NOTHING.to_owned();
    let mut row = vec![rule.name.clone()];
    match &rule.limit {
        None => row.extend([nothing(), "unlimited".to_owned(), nothing(), nothing(), nothing()]),
        Some(limit) => {
            row.extend([limit.algorithm.name.to_owned(), amount(limit), burst(limit)]);
            if asks_no_store(rule, limit) {
                row.extend(["local".to_owned(), nothing()]);
            } else {
                row.push(match rule.mode {
                    Mode::Hard => mode_name(rule.mode).to_owned(),
                    Mode::Soft { credit } => format!("{} {credit}", mode_name(rule.mode)),
                });
                row.push(match has_store {
                    true => name_of(&ON_STORE_FAILURE, &rule.on_store_failure).to_owned(),
                    false => nothing(),
                });
            }
        }
    }
    row.extend([notes(rule), key(&rule.key), applies_to(rule)]);
    row
}

fn asks_no_store(rule: &Rule, limit: &Limit) -> bool {
    rule.is_local || limit.algorithm.spread == Spread::Node
}

/// A limit in a few words: "100/m", "100/day Europe/Berlin", "10 for 30s".
#[must_use]
pub fn amount(limit: &Limit) -> String {
    match &limit.calendar {
        Some(calendar) => {
            let zone = calendar.zone.iana_name().unwrap_or("UTC");
            format!("{}/{} {zone}", limit.count, calendar_name(calendar.unit))
        }
        None if Shape::of(limit.algorithm) == Shape::Permits => {
            format!("{} for {}", limit.count, write_period(limit.period_ns))
        }
        None => write_rate(limit.count, limit.period_ns),
    }
}

fn burst(limit: &Limit) -> String {
    match Shape::of(limit.algorithm) {
        Shape::Bucket => limit.burst.to_string(),
        Shape::Queue => format!("{} wait", limit.burst.saturating_sub(1)),
        _ => NOTHING.to_owned(),
    }
}

fn notes(rule: &Rule) -> String {
    let mut notes = Vec::new();
    notes.extend(rule.is_shadow.then(|| "shadow".to_owned()));
    notes.extend(rule.is_quota.then(|| "quota".to_owned()));
    notes.extend((rule.cost != 1).then(|| format!("cost {}", rule.cost)));
    if notes.is_empty() { NOTHING.to_owned() } else { notes.join(", ") }
}

fn key(key: &[KeyPart]) -> String {
    if key.is_empty() {
        return NOTHING.to_owned();
    }
    let part = |part: &KeyPart| match part {
        KeyPart::ClientIp(v4, v6) => format!("ip/{v4},{v6}"),
        other => write_key_part(other),
    };
    key.iter().map(part).collect::<Vec<_>>().join(" + ")
}

fn applies_to(rule: &Rule) -> String {
    let mut parts: Vec<String> =
        rule.domain.iter().map(|domain| format!("domain {domain}")).collect();
    for condition in &rule.conditions {
        parts.push(match condition {
            Condition::Method(methods) => methods.join("|"),
            Condition::Path(path) => path.clone(),
            Condition::Host(hosts) => format!("host {}", hosts.join("|")),
            Condition::Header(name, Some(value)) => format!("{name}: {value}"),
            Condition::Header(name, None) => format!("{name}:"),
            Condition::Client(networks) => {
                let networks: Vec<String> = networks.iter().map(write_network).collect();
                format!("client {}", networks.join("|"))
            }
        });
    }
    if let Some(entries) = &rule.descriptor {
        let entries: Vec<String> = entries.iter().map(entry_text).collect();
        parts.push(format!("({})", entries.join(", ")));
    }
    if parts.is_empty() { "all".to_owned() } else { parts.join(" ") }
}

fn bound_row(rule: &Rule, limit: &Limit, store: Option<&StoreSettings>) -> Vec<String> {
    let (most, why) = any_window(limit);
    let mut row = vec![rule.name.clone(), most];
    match store {
        None => row.push(why),
        Some(_) if asks_no_store(rule, limit) => {
            row.extend([NOTHING.to_owned(), NOTHING.to_owned(), format!("{why}, each node alone")]);
        }
        Some(store) => {
            let under = (limit.burst.saturating_mul(store.lease_percent) / 100).max(store.nodes);
            let over = match rule.mode {
                Mode::Hard => 0,
                Mode::Soft { credit } => store.nodes.saturating_mul(credit),
            };
            let by = format!("{why}; {}, {}", mode_name(rule.mode), several(store.nodes, "node"));
            row.extend([over.to_string(), under.to_string(), by]);
        }
    }
    row
}

/// What one key may have in any stretch of time as long as a window, and why.
fn any_window(limit: &Limit) -> (String, String) {
    let (count, burst) = (limit.count, limit.burst);
    let period = write_period(limit.period_ns);
    if let Some(calendar) = &limit.calendar {
        let unit = calendar_name(calendar.unit);
        let most = format!("{} in any {unit}", count.saturating_mul(2));
        return (most, "2 x limit, around the end of a window".to_owned());
    }
    match (Shape::of(limit.algorithm), limit.algorithm.name) {
        (Shape::Permits, _) => (format!("{count} at a time"), "permits".to_owned()),
        (Shape::Log, _) => (format!("{count} in any {period}"), "the limit".to_owned()),
        (Shape::Bucket, _) => {
            (format!("{} in any {period}", burst.saturating_add(count)), "burst + limit".to_owned())
        }
        (Shape::Queue, _) => {
            let most = burst.saturating_add(count);
            (format!("{most} in any {period}"), "1 + waiting + limit".to_owned())
        }
        (_, "sliding-window") => {
            let most = count.saturating_mul(2).saturating_sub(1).max(count);
            (
                format!("{most} in any {period}"),
                "2 x limit - 1, estimated from two windows".to_owned(),
            )
        }
        _ => (
            format!("{} in any {period}", count.saturating_mul(2)),
            "2 x limit, around the end of a window".to_owned(),
        ),
    }
}
