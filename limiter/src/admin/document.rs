//! The limiter in the shape of the status page.
//!
//! Job: fill in rules, keys, plots, the store and listeners. In: totals and what has happened. Out: a
//! [`Document`]. Invariant: no table has more than [`PAGE_ROWS`] rows, the busiest ones.

use ringlet_base::config::values::name_of;
use ringlet_limit::config::amount;
use ringlet_limit::model::Rule;
use ringlet_runtime::admin::document::{Cell, Document, Fact, Level, Section, Unit, time_text};
use ringlet_runtime::admin::sampler::Rate;

use super::bounds::per_second;
use super::history::History;
use super::totals::Totals;
use crate::config::listener::PROTOCOLS;
use crate::limits::PAGE_ROWS;
use crate::report::RuleCounts;
use crate::shared::{ListenerShared, Reloads};

/// What is known of the whole process.
pub struct ProcessFacts {
    /// Cores that it runs on.
    pub cores: usize,
    /// Since the start, in seconds.
    pub uptime_s: i64,
    /// Physical memory.
    pub resident_bytes: Option<u64>,
    /// What has come of reloads.
    pub reloads: Reloads,
}

/// The document.
#[must_use]
pub fn document(
    totals: &Totals,
    history: &History,
    listeners: &[ListenerShared],
    process: &ProcessFacts,
) -> Document {
    let resident = process.resident_bytes.map_or(Cell::Nothing, Cell::from);
    let open: u64 = totals.connections.iter().map(|(open, _)| open).sum();
    let mut facts = vec![
        Fact::new("Up for", Unit::Text, time_text(process.uptime_s).as_str()),
        Fact::new("Cores", Unit::Count, process.cores as u64),
        Fact::new("CPU", Unit::Percent, history.cpu_percent.cell()),
        Fact::new("Memory", Unit::Bytes, resident),
        Fact::new("Connections", Unit::Count, open),
        Fact::new("Questions", Unit::PerSecond, history.questions.cell()),
        Fact::new("Not answerable", Unit::Count, totals.refused),
        Fact::new("Denied by lists", Unit::Count, totals.denied_by_lists),
        Fact::new("Overloaded", Unit::Count, totals.overloaded),
        Fact::new("Rules", Unit::Text, format!("generation {}", totals.generation).as_str()),
    ];
    facts.extend(last_reload(&process.reloads));
    Document {
        product: "ringlet-limiter".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        facts,
        sections: vec![
            rules(totals, history),
            plots(totals, history),
            keys(history),
            store(totals, history),
            engine(totals, history),
            table_of_listeners(totals, history, listeners),
        ],
    }
}

fn last_reload(reloads: &Reloads) -> Option<Fact> {
    let (_, said) = reloads.last.as_ref()?;
    let (text, level) = match said {
        Ok(said) => (said, Level::Good),
        Err(said) => (said, Level::Bad),
    };
    // The first line: what it is about; the log has all of it.
    let text = text.lines().next().unwrap_or_default().to_owned();
    Some(Fact::new("Last reload", Unit::Text, Cell::Status { text, level }))
}

fn rules(totals: &Totals, history: &History) -> Section {
    let mut section = Section::new(
        "Rules",
        &[
            ("Rule", Unit::Text),
            ("Limit", Unit::Text),
            ("Allowed", Unit::PerSecond),
            ("Denied", Unit::PerSecond),
            ("Shadow-denied", Unit::PerSecond),
            ("Tokens", Unit::PerSecond),
            ("All allowed", Unit::Count),
            ("All denied", Unit::Count),
            ("All shadow-denied", Unit::Count),
            ("Without store", Unit::Count),
        ],
    );
    let mut all: Vec<_> = totals.rules.iter().map(|(_, rule, counts)| (rule, counts)).collect();
    if all.len() > PAGE_ROWS {
        all.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.allowed + counts.denied));
        all.truncate(PAGE_ROWS);
    }
    for (rule, counts) in all {
        let past = history.rules.get(&rule.name);
        let rate = |of: fn(&super::history::RuleHistory) -> &Rate| {
            past.map_or(Cell::Nothing, |past| of(past).cell())
        };
        let mut row = vec![
            rule.name.as_str().into(),
            Cell::Text(limit_text(rule)),
            rate(|past| &past.allowed),
            rate(|past| &past.denied),
            if rule.is_shadow { rate(|past| &past.shadow_denied) } else { Cell::Nothing },
            past.map_or(Cell::Nothing, |past| past.tokens.now()),
        ];
        row.extend(counted(counts));
        section.rows.push(row);
    }
    if totals.given != RuleCounts::default() {
        let mut row = vec!["(of clients)".into(), "brought along".into()];
        row.extend([Cell::Nothing, Cell::Nothing, Cell::Nothing, Cell::Nothing]);
        row.extend(counted(&totals.given));
        section.rows.push(row);
    }
    section
}

fn counted(counts: &RuleCounts) -> [Cell; 4] {
    [counts.allowed, counts.denied, counts.shadow_denied, counts.without_store].map(Cell::from)
}

fn limit_text(rule: &Rule) -> String {
    let shadow = if rule.is_shadow { " (shadow)" } else { "" };
    match &rule.limit {
        Some(limit) => format!("{} {}{shadow}", limit.algorithm.name, amount(limit)),
        None => "unlimited".to_owned(),
    }
}

/// What the busiest key of a rule was admitted, beside its limit and the most that a second may have.
fn plots(totals: &Totals, history: &History) -> Section {
    let mut section = Section::new(
        "Admitted here against the limit: busiest keys",
        &[("Rule", Unit::Text), ("Key", Unit::Text), ("Tokens", Unit::PerSecond)],
    );
    let nodes = totals.store.map_or(1, |store| store.nodes);
    for (slot, rule, _) in &totals.rules {
        let Some(plot) = history.plots.get(slot) else { continue };
        let Some(lines) = per_second(rule, nodes) else { continue };
        let text = String::from_utf8_lossy(&plot.watch.text);
        let key = text.split_once(':').map_or("", |(_, key)| key);
        section.rows.push(vec![
            rule.name.as_str().into(),
            if key.is_empty() { "(one for all)".into() } else { key.into() },
            plot.tokens.series().bounded_cell(lines.limit, lines.bound),
        ]);
    }
    section
}

fn keys(history: &History) -> Section {
    let mut section = Section::new(
        "Busiest keys (estimated)",
        &[("Key", Unit::Text), ("Questions", Unit::PerSecond), ("Denied", Unit::PerSecond)],
    );
    let mut all: Vec<_> = history.keys.values().map(|key| (key.questions.sum(), key)).collect();
    all.retain(|(questions, _)| *questions > 0.0);
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.text.cmp(&b.1.text)));
    for (_, key) in all.into_iter().take(PAGE_ROWS) {
        section.rows.push(vec![
            Cell::Text(String::from_utf8_lossy(&key.text).into_owned()),
            key.questions.cell(),
            key.denied.cell(),
        ]);
    }
    section
}

fn store(totals: &Totals, history: &History) -> Section {
    let mut section = Section::new(
        "Store",
        &[
            ("State", Unit::Text),
            ("Limiters", Unit::Count),
            ("Clock known to", Unit::Microseconds),
            ("Calls", Unit::PerSecond),
            ("Leases", Unit::Count),
            ("Tokens held", Unit::Count),
        ],
    );
    if let Some(view) = totals.store {
        let (text, level) = match (view.is_up, view.nodes) {
            (true, _) => ("up", Level::Good),
            (false, 0) => ("not reached yet", Level::Warning),
            (false, _) => ("down: rules do as they say for that", Level::Bad),
        };
        section.rows.push(vec![
            Cell::Status { text: text.to_owned(), level },
            view.nodes.into(),
            (view.clock_error_ms * 1000).into(),
            history.store_calls.cell(),
            totals.engines.leases.into(),
            totals.engines.held.into(),
        ]);
    } else {
        let mut row = vec!["none: this node decides alone".into()];
        row.resize(section.columns.len(), Cell::Nothing);
        section.rows.push(row);
    }
    section
}

fn engine(totals: &Totals, history: &History) -> Section {
    let mut section = Section::new(
        "Engine",
        &[
            ("Keys", Unit::Count),
            ("Forgotten in use", Unit::Count),
            ("Without a place", Unit::Count),
            ("Waiting", Unit::Count),
            ("Messages between cores", Unit::PerSecond),
            ("Audit lines lost", Unit::Count),
            ("Audit lines left out", Unit::Count),
        ],
    );
    let engines = &totals.engines;
    section.rows.push(vec![
        engines.keys.into(),
        engines.evicted.into(),
        engines.unplaced.into(),
        engines.pending.into(),
        history.messages.cell(),
        totals.audit.0.into(),
        totals.audit.1.into(),
    ]);
    section
}

fn table_of_listeners(totals: &Totals, history: &History, listeners: &[ListenerShared]) -> Section {
    let mut section = Section::new(
        "Listeners",
        &[
            ("Listener", Unit::Text),
            ("Protocol", Unit::Text),
            ("Address", Unit::Text),
            ("Open", Unit::Count),
            ("New", Unit::PerSecond),
        ],
    );
    for (place, (listener, (open, _))) in listeners.iter().zip(&totals.connections).enumerate() {
        section.rows.push(vec![
            listener.name.as_str().into(),
            name_of(&PROTOCOLS, &listener.protocol).into(),
            Cell::Text(listener.addresses.join(" ")),
            (*open).into(),
            history.accepted.get(place).map_or(Cell::Nothing, Rate::now),
        ]);
    }
    section
}
