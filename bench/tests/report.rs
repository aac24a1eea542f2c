//! Job: the report, from the suites' files to what a reader sees.
//! In: files as suites write them. Out: assertions on the page in a browser, on texts, on the baseline.
//! Invariant: nothing is measured here; each test has a folder of its own.

#[path = "report/browser.rs"]
mod browser;
#[path = "report/suites.rs"]
mod suites;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use browser::{View, check_plots};
use serde_json::{Value, json};

/// An empty folder, which stays for whoever wants to look.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn write(folder: &Path, suite: &str, report: &Value) {
    let text = serde_json::to_string_pretty(report).expect("JSON");
    fs::write(folder.join(format!("{suite}.json")), text).expect("writable");
}

/// What `ringlet-bench report` says on both outputs, and whether it succeeds.
fn run(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringlet-bench"))
        .arg("report")
        .arg("--output")
        .arg(folder)
        .args(arguments)
        .output()
        .expect("the program starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Makes the report and returns what was said.
fn report(folder: &Path, arguments: &[&str]) -> String {
    let (is_made, said) = run(folder, arguments);
    assert!(is_made, "{said}");
    said
}

fn both_suites(name: &str) -> PathBuf {
    let folder = folder(name);
    write(&folder, "server", &suites::server());
    write(&folder, "scaling", &suites::scaling());
    folder
}

#[test]
fn a_browser_draws_every_plot_of_a_page_that_needs_nothing_else() {
    let folder = both_suites("drawn");
    report(&folder, &["server", "scaling"]);
    let page = folder.join("report.html");
    let text = fs::read_to_string(&page).expect("the page");
    assert_self_contained(&text);
    for (width, is_dark) in [(1200, false), (1200, true), (400, false)] {
        assert_eq!(
            check_plots(&page, View { width, is_dark }),
            Ok(7),
            "{width} pixels, dark: {is_dark}"
        );
    }
}

/// Links lead to places within the page, and nothing else is loaded.
fn assert_self_contained(text: &str) {
    for outside in
        ["<link", "<script", "<iframe", "<object", "<img", "src=", "srcset=", "url(", "@import"]
    {
        assert!(!text.contains(outside), "{outside} is in the page");
    }
    for link in text.split("href=").skip(1) {
        assert!(link.starts_with("\"#"), "{}", link.chars().take(60).collect::<String>());
    }
}

#[test]
fn the_check_of_plots_notices_an_empty_one() {
    let folder = folder("empty");
    let mut suite = suites::scaling();
    suite["plots"][1]["lines"][0]["points"] = json!([]);
    write(&folder, "scaling", &suite);
    report(&folder, &["scaling"]);
    let view = View { width: 1200, is_dark: false };
    let error = check_plots(&folder.join("report.html"), view).expect_err("a plot is empty");
    assert!(error.contains("One run") && error.contains("no picture"), "{error}");
}

#[test]
fn every_target_is_in_the_table_measured_or_not() {
    let folder = both_suites("targets");
    let said = report(&folder, &["server", "scaling"]);
    let whole: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("report.json")).expect("there"))
            .expect("JSON");
    let targets = whole["targets"].as_array().expect("targets");
    assert_eq!(targets.len(), 11);
    let markdown = fs::read_to_string(folder.join("report.md")).expect("there");
    for target in targets {
        let work = target["work"].as_str().expect("a text");
        assert!(said.contains(work) && markdown.contains(work), "{work} is missing");
    }
    let verdict = |work: &str| said.lines().find(|line| line.contains(work)).unwrap_or_default();
    // SET is the worse of the two: 10.7 / 12.6.
    assert!(verdict("no pipeline, 1 shard").contains("must reached, aim not"), "{said}");
    assert!(verdict("pipeline 16, 1 shard").contains("aim reached"), "{said}");
    assert!(verdict("pipeline 16, 2 shards").contains("FALLS SHORT by 8.2 %"), "{said}");
    assert!(verdict("longest pause").contains("3.1 times the target"), "{said}");
    assert!(verdict("TCP relay").contains("not measured"), "{said}");
}

#[test]
fn a_later_run_says_what_got_worse() {
    let folder = folder("baseline");
    write(&folder, "server", &suites::server());
    let said = report(&folder, &["--keep-baseline", "server"]);
    assert!(!said.contains("Since the baseline"), "there was none: {said}");
    let mut suite = suites::server();
    let ratio = &mut suite["rows"][1]["ratio"];
    for part in ["median", "min", "max"] {
        ratio[part] = json!(ratio[part].as_f64().expect("a number") * 1.2);
    }
    suite["machine"]["cpus"] = json!(8);
    write(&folder, "server", &suite);
    let said = report(&folder, &["server"]);
    for part in [
        "1 got worse",
        "server: CPU per SET, 50 clients, pipeline 1, 1 shard: +20.0 %",
        "0 got better",
        "8 equal",
        "ANOTHER MACHINE OR WAY TO MEASURE: CPUs: was 2, is 8",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = folder("missing");
    let (is_made, said) = run(&folder, &["server"]);
    assert!(!is_made && said.contains("server.json"), "{said}");
    fs::write(folder.join("server.json"), "{\"title\": 1}").expect("writable");
    let (is_made, said) = run(&folder, &["server"]);
    assert!(!is_made && said.contains("server.json") && said.contains("line 1"), "{said}");
}
