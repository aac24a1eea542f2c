//! The admin listener, the audit log and reloads of the real program.
//!
//! Job: show that what is shown adds up, that denials are written down, and that a reload keeps what was
//! counted, whatever brings it about. In: the program and clients of this process. Out: failed assertions.
//! Invariant: free ports of 127.0.0.1 only; what is started ends with the test.

#[path = "../../lb/tests/shared/ports.rs"]
mod ports;
#[path = "admin/support.rs"]
mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use ringlet_runtime::admin::document::Cell;
use serde_json::Value;

use support::{Addresses, Folder, Limiter, replace, until};

const LOGIN: &str = "[rule.login]\nrate = \"5/h\"\nkey = \"ip\"\n";
const SHADOW: &str = "[rule.all]\nrate = \"8/h\"\nshadow = true\n";

fn audit(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Asks so many times for the same client, who has five questions an hour.
fn ask_often(limiter: &Limiter, times: usize) {
    for asked in 0..times {
        let expected = if asked < 5 { 200 } else { 429 };
        assert_eq!(limiter.ask("10.0.0.1"), expected, "question {asked}");
    }
}

#[test]
fn metrics_page_and_audit_log_add_up() {
    let (folder, at) = (Folder::new("page"), Addresses::free());
    let (file, log) = (folder.0.join("limits.toml"), folder.0.join("audit"));
    let global = format!("audit_log = \"{}\"", log.display());
    fs::write(&file, at.file(&global, &format!("{LOGIN}{SHADOW}"))).expect("written");
    let limiter = Limiter::start(at, &file);
    let statuses: Vec<u16> = (0..20).map(|_| limiter.ask("10.0.0.1")).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5, "{statuses:?}");
    assert_eq!(limiter.ask("10.0.0.2"), 200);
    let metric = |series: &str| limiter.metric(&format!("ringlet_limiter_{series}"));
    until("all counts", || metric("rule_denied_total{rule=\"login\"}") == Some(15.0));
    assert_eq!(metric("rule_allowed_total{rule=\"login\"}"), Some(6.0));
    assert_eq!(metric("rule_tokens_total{rule=\"login\"}"), Some(6.0));
    assert_eq!((metric("allowed_total"), metric("denied_total")), (Some(6.0), Some(15.0)));
    let accepted = metric("connections_total{listener=\"web\",protocol=\"http\"}");
    assert_eq!(accepted, Some(21.0));
    assert_eq!(metric("store_up"), None, "there is no store");
    let shadow = metric("rule_shadow_denied_total{rule=\"all\"}").expect("a count") as usize;
    until("all lines", || audit(&log).len() == 15 + shadow);
    let lines = audit(&log);
    let of = |rule: &str| lines.iter().filter(|line| line["rule"] == rule).collect::<Vec<_>>();
    assert_eq!((of("login").len(), of("all").len()), (15, shadow));
    let line = of("login")[0];
    assert_eq!((&line["key"], &line["cost"]), (&"10.0.0.1".into(), &1.into()));
    assert_eq!((&line["reason"], &line["shadow"]), (&"limits".into(), &false.into()));
    let retry_ms = line["retry_after_ms"].as_u64().expect("a number");
    assert!((1..=3_600_000).contains(&retry_ms), "{retry_ms}");

    assert_eq!(limiter.page("/healthz"), (200, "ok\n".to_owned()));
    assert!(limiter.page("/").1.contains("<!doctype html>"));
    let plots = "Admitted here against the limit: busiest keys";
    until("a plot", || {
        (0..10).for_each(|_| assert_eq!(limiter.ask("10.0.0.1"), 429));
        let rows = limiter.rows(plots);
        let row = rows.iter().find(|row| row[0] == "login".into());
        row.is_some_and(
            |row| matches!(&row[2], Cell::Bounded { value, bound, .. } if value <= bound),
        )
    });
    let busiest = &limiter.rows("Busiest keys (estimated)");
    assert!(busiest.iter().any(|row| row[0] == "login:10.0.0.1".into()), "{busiest:?}");
    let row = &limiter.rows("Rules")[0];
    assert_eq!((&row[0], &row[6]), (&"login".into(), &6.0.into()));
    let top = Command::new(env!("CARGO_BIN_EXE_ringlet-limiter"))
        .args(["top", &at.admin.to_string(), "--once"])
        .output()
        .expect("it runs");
    let shown = String::from_utf8_lossy(&top.stdout);
    assert!(shown.contains("login") && shown.contains("token-bucket 5/h"), "{shown}");
    limiter.stop();
}

#[test]
fn the_audit_log_can_be_rotated_and_is_whole_at_the_end() {
    let (folder, at) = (Folder::new("rotation"), Addresses::free());
    let (file, log, old) =
        (folder.0.join("limits.toml"), folder.0.join("audit"), folder.0.join("audit.1"));
    let global = format!("audit_log = \"{}\"", log.display());
    fs::write(&file, at.file(&global, LOGIN)).expect("written");
    let limiter = Limiter::start(at, &file);
    ask_often(&limiter, 8);
    until("three lines", || audit(&log).len() == 3);
    fs::rename(&log, &old).expect("renamed");
    limiter.signal("-HUP");
    until("a new file", || log.exists());
    (0..4).for_each(|_| assert_eq!(limiter.ask("10.0.0.1"), 429));
    limiter.stop();
    assert_eq!((audit(&old).len(), audit(&log).len()), (3, 4));
}

#[test]
fn a_reload_keeps_what_was_counted_and_a_bad_file_changes_nothing() {
    let (folder, at) = (Folder::new("reload"), Addresses::free());
    let file = folder.0.join("limits.toml");
    fs::write(&file, at.file("", LOGIN)).expect("written");
    let limiter = Limiter::start(at, &file);
    ask_often(&limiter, 6);
    assert_eq!((limiter.ask("10.0.0.1"), limiter.ask("10.0.0.3")), (429, 200));

    let more = format!("{LOGIN}[rule.none]\nrate = \"1/h\"\nclient = [\"10.0.0.3/32\"]\n");
    replace(&file, &at.file("", &more));
    limiter.signal("-HUP");
    limiter.wait_for("reload 1 is taken up: 2 rules");
    assert_eq!(limiter.ask("10.0.0.1"), 429, "the exhausted limit stays exhausted");
    until("the new rule", || limiter.ask("10.0.0.3") == 429);

    let generation = limiter.metric("ringlet_limiter_rules_generation");
    replace(&file, &at.file("", "[rule.login]\nrate = \"lots\"\n"));
    let (status, said) = limiter.reload();
    assert_eq!(status, 400);
    assert!(said.contains("the rules stay as they were") && said.contains("lots"), "{said}");
    assert_eq!(limiter.ask("10.0.0.1"), 429);
    assert_eq!(limiter.metric("ringlet_limiter_last_reload_ok"), Some(0.0));
    assert_eq!(limiter.metric("ringlet_limiter_rules_generation"), generation);

    for (other, reason) in [
        (Addresses { http: Addresses::free().http, ..at }.file("", LOGIN), "another address"),
        (at.file("keys = 7", LOGIN), "another [global] needs a restart"),
        (at.file("", &format!("{LOGIN}[store]\naddress = \"127.0.0.1:1\"\n")), "another store"),
    ] {
        replace(&file, &other);
        let (status, said) = limiter.reload();
        assert!(status == 400 && said.contains(reason), "{reason}: {status} {said}");
    }
    replace(&file, &at.file("audit_log = \"off\"", LOGIN));
    let (status, said) = limiter.reload();
    assert_eq!(status, 200, "{said}");
    assert_eq!(limiter.metric("ringlet_limiter_last_reload_ok"), Some(1.0));
    assert_eq!(limiter.ask("10.0.0.1"), 429);
    until("the old rules", || limiter.ask("10.0.0.4") == 200);
    limiter.stop();
}

#[test]
fn a_link_that_is_moved_is_noticed_once_for_good_and_for_bad() {
    let (folder, at) = (Folder::new("links"), Addresses::free());
    // As Kubernetes mounts a file: it is a link into a folder that is a link.
    let (data, file) = (folder.0.join("..data"), folder.0.join("limits.toml"));
    let publish = |version: &str, rules: &str| {
        let place = folder.0.join(version);
        fs::create_dir(&place).expect("a folder");
        fs::write(place.join("limits.toml"), at.file("", rules)).expect("written");
        let new = folder.0.join("..new");
        symlink(version, &new).expect("a link");
        fs::rename(&new, &data).expect("moved");
    };
    publish("..1", LOGIN);
    symlink("..data/limits.toml", &file).expect("a link");
    let limiter = Limiter::start(at, &file);
    ask_often(&limiter, 6);
    publish("..2", &format!("{LOGIN}{SHADOW}"));
    limiter.wait_for("reload 1 is taken up: 2 rules");
    assert_eq!(limiter.ask("10.0.0.1"), 429);
    publish("..3", "[rule.login]\nrte = \"5/h\"\n");
    limiter.wait_for("the rules stay as they were");
    // Several looks later nothing more has been said of it.
    std::thread::sleep(std::time::Duration::from_millis(1600));
    assert_eq!(limiter.metric("ringlet_limiter_reloads_total{result=\"refused\"}"), Some(1.0));
    publish("..4", LOGIN);
    let before = limiter.wait_for("reload 2 is taken up: 1 rule");
    assert!(!before.iter().any(|line| line.contains("stay as they were")), "{before:?}");
    assert_eq!(limiter.ask("10.0.0.1"), 429);
    limiter.stop();
}
