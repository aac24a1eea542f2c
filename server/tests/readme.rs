//! Job: hold the README to its word: what it tells to paste gives the replies that it shows, and
//! its links, like those of the other pages, lead somewhere.
//! In: the pages, the server that cargo built (or `RINGLET_SERVER_BINARY`), redis-cli on the path.
//! Out: test results.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ringlet_check::process::ServerBinary;

const SHARDS: usize = 2;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder").to_path_buf()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("the page")
}

/// The lines of the first fenced block whose first line starts with `start`.
fn block(page: &str, start: &str) -> Vec<String> {
    page.split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .find(|block| block.starts_with(start))
        .unwrap_or_else(|| panic!("no block that starts with {start}"))
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_pasted_lines_give_the_replies_that_are_shown() {
    let binary = ServerBinary::from_environment(env!("CARGO_BIN_EXE_ringlet-server"));
    let server = binary.start(SHARDS, &[]).unwrap_or_else(|error| panic!("{error}"));
    let program = format!("redis-cli -p {} ", server.address().port());
    let mut compared = 0;
    for line in block(&readme(), "redis-cli ") {
        let output = Command::new("sh")
            .args(["-c", &line.replace("redis-cli ", &program)])
            .stdin(Stdio::null())
            .output()
            .expect("sh runs");
        assert!(output.status.success(), "{line}: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!said.trim().is_empty() && !said.starts_with("ERR"), "{line}: {said}");
        if let Some((_, shown)) = line.split_once("# -> ") {
            assert_eq!(said.lines().collect::<Vec<_>>().join(" "), shown, "{line}");
            compared += 1;
        }
    }
    assert!(compared >= 5, "only {compared} replies were compared");
}

#[test]
fn the_first_command_runs_the_data_server() {
    assert!(block(&readme(), "cargo ")[0].starts_with("cargo run --release "));
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    assert!(manifest.contains("default-members = [\"server\"]"), "cargo would ask which program");
}

#[test]
fn links_lead_somewhere() {
    let mut pages = vec![root().join("README.md"), root().join("shared/protocol/fuzz/README.md")];
    for folder in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder of pages");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    let mut followed = 0;
    for page in &pages {
        let text = fs::read_to_string(page).expect("a readable page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") {
                let path = page.parent().expect("a folder").join(target);
                assert!(path.exists(), "{}: {target}", page.display());
                followed += 1;
            }
        }
    }
    assert!(followed >= 10, "only {followed} links were found");
}
