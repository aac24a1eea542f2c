//! Tests of what the admin pages say.
//!
//! Job: compare documents, metrics and answers with what they must be. In: a snapshot with known
//! counters. Out: failed assertions. Invariant: opens no socket.

use ringlet_runtime::admin::document::{Document, Level};

use super::test_support::{serve, snapshot};
use super::*;

fn facts() -> ProcessFacts {
    ProcessFacts {
        cores: 2,
        connections: 1,
        uptime_s: 3725,
        cpu_percent: Cell::Number(12.5),
        resident_bytes: Some(4096),
        now_ms: 95_000,
        is_store_up: None,
    }
}

#[test]
fn the_metrics_are_this_text() {
    let snapshot = snapshot();
    serve(&snapshot, 20);
    let text = metrics::page(&snapshot, &facts());
    let expected = include_str!("metrics_example.txt");
    for (line, (got, wanted)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, wanted, "line {}", line + 1);
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

/// The row of a section that begins with this text.
fn row<'a>(document: &'a Document, section: &str, first: &str) -> Vec<(&'a str, &'a Cell)> {
    let section = document.sections.iter().find(|one| one.title == section).expect("a section");
    let row = section.rows.iter().find(|row| row[0] == first.into()).expect("a row");
    section.columns.iter().map(|column| column.name.as_str()).zip(row).collect()
}

#[test]
fn the_document_says_how_pools_and_servers_are() {
    let snapshot = snapshot();
    let mut history = History::default();
    history.sample(&snapshot, 1.0);
    serve(&snapshot, 20);
    history.sample(&snapshot, 1.0);
    let document = document::document(&snapshot, &history, &facts());
    assert_eq!(document.facts[0].cell, "1 h 2 min".into());
    for section in &document.sections {
        assert!(section.rows.iter().all(|row| row.len() == section.columns.len()));
    }
    let status = |text: &str, level| Cell::Status { text: text.into(), level };
    let series = |value: f64| Cell::Series { value, series: vec![value] };
    let one = row(&document, "Servers", "one");
    let expected = [
        ("Server", "one".into()),
        ("Pool", "api".into()),
        ("Health", status("up", Level::Good)),
        ("Since", "1 min 34 s".into()),
        ("Requests", series(20.0)),
        ("Errors", series(0.0)),
        ("Peak latency", Cell::Nothing),
        ("In flight", 1.0.into()),
        ("Idle", 0.0.into()),
        ("Reuse", 90.0.into()),
        ("Weight", 3.0.into()),
    ];
    assert_eq!(one, expected.iter().map(|(name, cell)| (*name, cell)).collect::<Vec<_>>());
    assert_eq!(*row(&document, "Servers", "two")[2].1, status("drain", Level::Idle));
    let down = status("down: connection refused", Level::Bad);
    assert_eq!(*row(&document, "Servers", "main")[2].1, down);
    let api = row(&document, "Pools", "api");
    assert_eq!(*api[1].1, status("1 of 2", Level::Warning));
    assert_eq!((api[2].1, api[8].1), (&series(20.0), &Cell::Number(1.0)));
    assert_eq!(*row(&document, "Pools", "db")[1].1, status("0 of 1", Level::Bad));
    let web = row(&document, "Listeners", "web");
    assert_eq!((web[3].1, web[8].1), (&Cell::Number(1.0), &Cell::Number(20_000.0)));
}

#[test]
fn what_dropped_servers_have_counted_stays_in_the_sums() {
    let (mut registry, snapshot) = test_support::registry();
    serve(&snapshot, 20);
    let change = Change::Remove { pool: "api".into(), server: "one".into() };
    let now = registry.change(&change).expect("it is there").snapshot.expect("a new one");
    let text = metrics::page(&now, &facts());
    for line in [
        "haproxy_backend_bytes_out_total{proxy=\"api\"} 18000",
        "haproxy_backend_connection_reuses_total{proxy=\"api\"} 18",
        "haproxy_backend_sessions_total{proxy=\"api\"} 20",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in {text}");
    }
    assert!(!text.contains("server=\"one\""));
}

#[test]
fn parameters_become_changes_or_say_what_is_wrong() {
    let read = |read: fn(&Parameters) -> Result<Change, String>, text: &str| {
        read(&Parameters::from_form(text.as_bytes()))
    };
    let (pool, server) = ("p".to_owned(), "s".to_owned());
    assert_eq!(
        read(set_server, "pool=p&server=s&state=maint&weight=256"),
        Ok(Change::Set {
            pool: pool.clone(),
            server: server.clone(),
            state: Some(crate::model::AdminState::Maintenance),
            weight: Some(256),
        })
    );
    assert_eq!(
        read(add_server, "pool=p&server=a%3a1+weight%3d2"),
        Ok(Change::Add { pool: pool.clone(), server: "a:1 weight=2".into() })
    );
    assert_eq!(read(remove_server, "server=s&pool=p"), Ok(Change::Remove { pool, server }));
    let wrong = [
        ("pool=p&server=s", "neither `state` nor `weight` is there"),
        ("pool=p&server=s&weight=257", "`weight` is no number from 0 to 256"),
        ("pool=p&server=s&weight=-1", "`weight` is no number from 0 to 256"),
        ("pool=p&state=ready", "`server` is missing"),
        ("pool=p&server=s&stat=ready", "`stat` is none of: pool, server, state, weight"),
        ("pool=p&pool=p", "`pool` is there twice"),
    ];
    for (text, error) in wrong {
        assert_eq!(read(set_server, text), Err(error.into()), "{text}");
    }
    let state = read(set_server, "pool=p&server=s&state=dran").expect_err("there is no such state");
    assert!(state.contains("dran") && state.contains("drain"), "{state}");
}

#[test]
fn a_core_that_hangs_is_noticed() {
    let shared = Shared::new(crate::snapshot::Published::new(snapshot()), 2, test_support::crew());
    assert_eq!(trouble(&shared, 1000).as_deref(), Some("core 0 is starting"));
    for core in &shared.ticked_ms {
        core.store(1000, Ordering::Relaxed);
    }
    assert_eq!(trouble(&shared, 1000 + HANGING_MS), None);
    shared.ticked_ms[0].store(9000, Ordering::Relaxed);
    assert_eq!(trouble(&shared, 9000).as_deref(), Some("core 1 has not run for 8000 ms"));
    shared.stop();
    assert_eq!(trouble(&shared, 9000).as_deref(), Some("stopping"));
}

#[test]
fn rate_limits_have_a_table_and_their_store_a_fact() {
    let text = "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:1\"\ndefault_pool = \"api\"\n\
                rate_limit = \"login\"\n[pool.api]\nservers = \"127.0.0.1:1\"\n\
                [rate_limit.login]\nlimit = 5\nwindow = \"1m\"\n";
    let mut configuration =
        crate::config::parse(text, std::path::Path::new("")).expect("a configuration");
    configuration.listeners[0].binds.clear();
    let mut registry = crate::registry::Registry::new(2);
    let snapshot = registry.take_up(&configuration).expect("it opens nothing");
    let limits = &snapshot.listeners[0].limits;
    let [slot] = *limits.of(None) else { panic!("one rule") };
    let rows = &limits.state(slot).expect("a rule").rows;
    (0..2).for_each(|core| rows.of(core).denied.add(3));
    let facts = ProcessFacts { is_store_up: Some(false), ..facts() };
    let document = document::document(&snapshot, &History::default(), &facts);
    let section = document.sections.last().expect("a section");
    let number = |count: u64| Cell::from(count);
    assert_eq!(section.rows, [["login".into(), "web".into(), number(0), number(6), number(0)]]);
    let fact = document.facts.last().expect("a fact");
    let level = Level::Bad;
    assert_eq!(fact.cell, Cell::Status { text: "does not answer".to_owned(), level });
    let page = metrics::page(&snapshot, &facts);
    let line = "ringlet_lb_rate_limit_total{proxy=\"web\",rule=\"login\",verdict=\"denied\"} 6";
    assert!(page.contains(line) && page.contains("ringlet_lb_rate_limit_store_up 0"), "{page}");
    // Counters go on when the rule's numbers change.
    let text = text.replace("limit = 5", "limit = 6");
    let mut changed = crate::config::parse(&text, std::path::Path::new("")).expect("another one");
    changed.listeners[0].binds.clear();
    let snapshot = registry.take_up(&changed).expect("it opens nothing");
    let limits = &snapshot.listeners[0].limits;
    let [next] = *limits.of(None) else { panic!("one rule") };
    assert_ne!(next, slot, "a rule with other numbers begins anew");
    assert_eq!(limits.states().map(|state| state.rows.sum(|row| row.denied.get())).sum::<u64>(), 6);
}
