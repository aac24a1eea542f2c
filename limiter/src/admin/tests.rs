//! Tests of what the admin pages say.
//!
//! Job: compare documents, metrics and choices with what they must be. In: reports with known counts. Out:
//! failed assertions. Invariant: opens no socket.

use std::sync::Arc;

use ringlet_limit::rules::RuleSet;
use ringlet_limit::store::StoreView;
use ringlet_runtime::admin::document::{Cell, Level};

use super::*;
use crate::report::{CoreReport, Counters, RuleCounts, TopKey, Watched};
use crate::shared::{ListenerShared, Reloads};

const RULES: &str = "[rule.login]\nrate = \"100/s\"\nalgorithm = \"token-bucket\"\nburst = 50\n\
                     key = [\"ip\"]\n[rule.all]\nrate = \"1000/m\"\nshadow = true\n";

fn rules(text: &str, former: Option<&RuleSet>) -> Arc<RuleSet> {
    let listener = "[[listener]]\nbind = \"127.0.0.1:1\"\nprotocol = \"http\"\n";
    let configuration = crate::config::parse(&format!("{listener}{text}")).expect("rules");
    Arc::new(RuleSet::compile(&configuration.rules, former, 1).expect("they compile"))
}

fn slot(rules: &RuleSet, name: &str) -> u32 {
    rules.slots().find(|(_, rule)| rule.name == name).expect("it is there").0
}

fn report(rules: &Arc<RuleSet>, login: RuleCounts) -> CoreReport {
    let mut report = CoreReport { rule_set: Some(rules.clone()), ..CoreReport::default() };
    report.rules.insert(slot(rules, "login"), login);
    (report.connections, report.accepted) = (vec![2], vec![5]);
    report
}

fn facts() -> ProcessFacts {
    let last = Some((1_795_660_653, Err("the rules stay as they were: no\nmore".to_owned())));
    let reloads = Reloads { successes: 2, failures: 1, last };
    ProcessFacts { cores: 2, uptime_s: 3725, resident_bytes: Some(4096), reloads }
}

fn listener() -> ListenerShared {
    ListenerShared {
        name: "web".to_owned(),
        protocol: crate::config::model::Protocol::Http,
        binds: vec!["127.0.0.1:0".to_owned()],
        addresses: vec!["127.0.0.1:8090".to_owned()],
        sockets: Vec::new(),
    }
}

#[test]
fn cores_that_have_not_taken_a_reload_up_count_under_the_same_name() {
    let before = rules(RULES, None);
    let after = rules(&RULES.replace("100/s", "200/s"), Some(&before));
    assert_ne!(slot(&before, "login"), slot(&after, "login"));
    let counts = RuleCounts { allowed: 3, tokens: 6, denied: 1, ..RuleCounts::default() };
    let reports = [report(&before, counts), report(&after, counts)];
    let totals = Totals::add_up(&reports, &after, &Watched::default(), 1);
    let (_, rule, sum) = &totals.rules[0];
    assert_eq!((rule.name.as_str(), sum.allowed, sum.tokens, sum.denied), ("login", 6, 12, 2));
    assert_eq!(totals.connections, [(4, 10)]);
}

#[test]
fn a_changed_rule_counts_on_and_a_removed_one_is_forgotten() {
    let before = rules(RULES, None);
    let after = rules("[rule.login]\nrate = \"7/s\"\n", Some(&before));
    let mut counters = Counters::default();
    let counts = RuleCounts { allowed: 3, ..RuleCounts::default() };
    counters.report.rules.insert(slot(&before, "login"), counts);
    counters.report.rules.insert(slot(&before, "all"), counts);
    counters.apply(&before, &after);
    let rules: Vec<_> = counters.report.rules.into_iter().collect();
    assert_eq!(rules, [(slot(&after, "login"), counts)]);
}

/// A key of a rule, with so many questions allowed and refused.
fn key(hash: u64, text: &str, allowed: u64, denied: u64) -> TopKey {
    TopKey { hash, text: text.into(), questions: allowed + denied, allowed, denied }
}

#[test]
fn the_busiest_key_is_watched_and_plotted() {
    let rules = rules(RULES, None);
    let login = slot(&rules, "login");
    let mut history = History::default();
    let mut watched = Watched::default();
    let look = |history: &mut History, watched: &mut Watched, keys: Vec<TopKey>, counts| {
        let reports = [CoreReport { top: keys, ..report(&rules, counts) }];
        let totals = Totals::add_up(&reports, &rules, watched, 1);
        *watched = history.sample(&totals, 1.0);
        totals
    };
    let counts = RuleCounts::default();
    look(&mut history, &mut watched, vec![key(1, "login:a", 5, 0)], counts);
    let two = |a, b| vec![key(1, "login:a", a, 2), key(2, "login:b", b, 0)];
    look(&mut history, &mut watched, two(10, 4), counts);
    assert_eq!(watched[&login].text, b"login:a");
    // The cores have begun to watch it, on 90 tokens.
    let counts = |tokens| RuleCounts { watched_hash: 1, watched_tokens: tokens, ..counts };
    look(&mut history, &mut watched, two(10, 8), counts(90));
    // A little busier is not enough.
    let totals = look(&mut history, &mut watched, two(10, 14), counts(190));
    assert_eq!(watched[&login].hash, 1);
    let document = document::document(&totals, &history, &[listener()], &facts());
    for section in &document.sections {
        assert!(section.rows.iter().all(|row| row.len() == section.columns.len()));
    }
    let plot =
        Cell::Bounded { value: 100.0, series: vec![90.0, 100.0], limit: 100.0, bound: 150.0 };
    assert_eq!(document.sections[1].rows, [["login".into(), "a".into(), plot]]);
    let busiest = &document.sections[2].rows[0];
    assert_eq!(busiest[0], "login:b".into());
    // One question in eight is counted by its key.
    let questions = Cell::Series { value: 48.0, series: vec![32.0, 32.0, 48.0] };
    assert_eq!(busiest[1], questions);
    look(&mut history, &mut watched, two(10, 30), counts(190));
    assert_eq!(watched[&login].hash, 2);
}

#[test]
fn the_page_says_how_reloads_and_the_store_are() {
    let rules = rules(RULES, None);
    let view = StoreView { nodes: 3, clock_error_ms: 2, is_up: true, ..StoreView::default() };
    let mut reports = [(); 2].map(|()| report(&rules, RuleCounts::default()));
    reports[0].store = Some(view);
    reports[1].store = Some(StoreView { is_up: false, ..view });
    let totals = Totals::add_up(&reports, &rules, &Watched::default(), 1);
    let document = document::document(&totals, &History::default(), &[listener()], &facts());
    let status = |text: &str, level| Cell::Status { text: text.to_owned(), level };
    let last = document.facts.last().expect("a fact");
    assert_eq!(last.cell, status("the rules stay as they were: no", Level::Bad));
    let store = &document.sections[3].rows[0];
    assert_eq!(store[0], status("down: rules do as they say for that", Level::Bad));
    assert_eq!((&store[1], &store[2]), (&3.0.into(), &2000.0.into()));
    let text = metrics::page(&totals, &[listener()], &facts());
    for line in [
        "ringlet_limiter_store_up 0",
        "ringlet_limiter_store_clock_error_seconds 0.002",
        "ringlet_limiter_rule_allowed_total{rule=\"all\"} 0",
        "ringlet_limiter_connections{listener=\"web\",protocol=\"http\"} 4",
        "ringlet_limiter_reloads_total{result=\"refused\"} 1",
        "ringlet_limiter_last_reload_ok 0",
        "ringlet_limiter_rules_generation 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in {text}");
    }
}
