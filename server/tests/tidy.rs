//! Job: keep the source tree in the shape that the architecture page promises.
//! In: the files of the repository. Out: test failures that name file and rule.
//! Invariant: reads files only; what it forbids is written down here and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders and files that may stand at the top, besides dot files.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "bench",
    "docs",
    "lb",
    "limiter",
    "rustfmt.toml",
    "scripts",
    "server",
    "shared",
    "target",
];

/// Each package with the packages of this workspace that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("shared/base", &[]),
    ("shared/protocol", &["ringlet-base"]),
    ("shared/runtime", &["ringlet-base"]),
    ("server/store", &["ringlet-base", "ringlet-runtime"]),
    ("server/check", &["ringlet-base", "ringlet-protocol"]),
    ("server", &["ringlet-base", "ringlet-protocol", "ringlet-runtime", "ringlet-store"]),
    (
        "lb",
        &[
            "ringlet-base",
            "ringlet-limit",
            "ringlet-limit-carrier",
            "ringlet-protocol",
            "ringlet-runtime",
        ],
    ),
    ("limiter/library", &["ringlet-base", "ringlet-protocol"]),
    ("limiter/carrier", &["ringlet-limit", "ringlet-runtime"]),
    (
        "limiter",
        &[
            "ringlet-base",
            "ringlet-limit",
            "ringlet-limit-carrier",
            "ringlet-protocol",
            "ringlet-runtime",
        ],
    ),
    ("bench", &["ringlet-base", "ringlet-limit", "ringlet-protocol", "ringlet-runtime"]),
];

/// Parts of the server with the modules that they must not know.
const MUST_NOT_KNOW: &[(&str, &[&str])] = &[
    (
        "server/src/shard",
        &[
            "clients",
            "connection",
            "core",
            "core_loop",
            "executor",
            "intake",
            "mesh_traffic",
            "outbox",
            "pending",
            "process",
            "pubsub",
            "router",
            "session",
            "sockets",
            "transaction",
        ],
    ),
    ("server/src/config", &["connection", "router", "sockets", "mesh_traffic", "executor"]),
    ("server/src/command/string", DATA),
    ("server/src/command/list", DATA),
    ("server/src/command/hash", DATA),
    ("server/src/command/set", DATA),
    ("server/src/command/sorted_set", DATA),
    ("server/src/command/generic", DATA),
    ("server/src/command/limit", DATA),
    ("server/src/gather.rs", &["connection", "core", "sockets", "router"]),
    ("server/src/pending.rs", &["connection", "core", "sockets", "router"]),
    ("server/src/outbox.rs", &["connection", "core", "sockets", "router"]),
];

/// What commands on data must not know: connections and the ways between cores.
const DATA: &[&str] = &[
    "clients",
    "connection",
    "core",
    "core_loop",
    "executor",
    "intake",
    "mesh_traffic",
    "outbox",
    "pending",
    "process",
    "pubsub",
    "router",
    "session",
    "sockets",
    "transaction",
];

const LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder").to_path_buf()
}

fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "node_modules" | ".git" | "corpus") {
                files_below(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// All Rust files with their path below the root and their text.
fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for folder in ["shared", "server", "bench", "lb", "limiter"] {
        files_below(&root().join(folder), ".rs", &mut paths);
    }
    assert!(paths.len() > 100, "the sources were not found");
    paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root()).expect("below the root").display().to_string();
            (name, fs::read_to_string(path).expect("a readable file"))
        })
        .collect()
}

fn report(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// What belongs to the project at the top: what git keeps, or in a tree without git all there is.
fn top_level() -> BTreeSet<String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    match listed {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => output
            .stdout
            .split(|&byte| byte == 0)
            .filter(|path| !path.is_empty())
            .map(|path| String::from_utf8_lossy(path).split('/').next().unwrap_or("").to_string())
            .collect(),
        _ => fs::read_dir(root())
            .expect("a readable folder")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect(),
    }
}

#[test]
fn the_top_level_holds_what_the_design_names() {
    let names = top_level();
    assert!(names.contains("Cargo.toml"), "the tree was not found: {names:?}");
    let broken: Vec<String> = names
        .into_iter()
        .filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()))
        .collect();
    report("not a place at the top level", &broken);
}

#[test]
fn packages_depend_downwards_only() {
    let mut manifests = Vec::new();
    files_below(&root(), "Cargo.toml", &mut manifests);
    let mut broken = Vec::new();
    for path in manifests {
        let folder = path.parent().and_then(|folder| folder.strip_prefix(root()).ok());
        let folder = folder.expect("below the root").display().to_string();
        if folder.is_empty() || folder.ends_with("fuzz") {
            continue;
        }
        let Some((_, may_use)) = MAY_USE.iter().find(|(package, _)| *package == folder) else {
            broken.push(format!("{folder}: not in the table of this test"));
            continue;
        };
        let text = fs::read_to_string(&path).expect("a readable manifest");
        for name in dependencies(&text).iter().filter(|name| name.starts_with("ringlet-")) {
            if !may_use.contains(&name.as_str()) {
                broken.push(format!("{folder} uses {name}"));
            }
        }
    }
    report("dependency against the direction", &broken);
}

/// Names in the `[dependencies]` table.
fn dependencies(manifest: &str) -> Vec<String> {
    names_in(manifest, |section| section == "[dependencies]")
}

fn names_in(manifest: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut is_wanted = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_wanted = wanted(line.trim());
        } else if is_wanted
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once(['=', '.'])
        {
            names.push(name.trim().to_string());
        }
    }
    names
}

#[test]
fn every_dependency_has_its_reason() {
    let reasons = fs::read_to_string(root().join("docs/decisions/dependencies.md"))
        .expect("the page with the reasons");
    let mut manifests = Vec::new();
    files_below(&root(), "Cargo.toml", &mut manifests);
    let mut names = BTreeSet::new();
    for path in manifests.iter().filter(|path| !path.display().to_string().contains("fuzz")) {
        let text = fs::read_to_string(path).expect("a readable manifest");
        names.extend(names_in(&text, |section| section.ends_with("dependencies]")));
    }
    let broken: Vec<String> = names
        .into_iter()
        .filter(|name| !name.starts_with("ringlet-") && !reasons.contains(&format!("`{name}`")))
        .collect();
    report("no reason in docs/decisions/dependencies.md", &broken);
}

#[test]
fn unsafe_code_lives_in_the_runtime_only() {
    let mut broken = Vec::new();
    for (name, text) in sources() {
        if name.starts_with("shared/runtime") || name.ends_with("tests/tidy.rs") {
            continue;
        }
        for (number, line) in code_lines(&text) {
            if line.contains("unsafe ") || line.contains("allow(unsafe_code") {
                broken.push(format!("{name}:{number}"));
            }
        }
        let is_root = name.ends_with("src/lib.rs") || name.ends_with("src/main.rs");
        if is_root && !name.contains("/fuzz/") && !text.contains("#![forbid(unsafe_code)]") {
            broken.push(format!("{name}: does not forbid unsafe code"));
        }
    }
    report("unsafe outside of shared/runtime", &broken);
}

#[test]
fn modules_know_only_what_stands_behind_them() {
    let mut broken = Vec::new();
    for (name, text) in sources() {
        for (place, hidden) in MUST_NOT_KNOW.iter().filter(|(place, _)| name.starts_with(place)) {
            for (number, line) in code_lines(&text) {
                let known = hidden.iter().find(|module| {
                    let path = format!("crate::{module}");
                    line.match_indices(&path).any(|(at, _)| {
                        let next = line[at + path.len()..].chars().next();
                        !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
                    })
                });
                if let Some(module) = known {
                    broken.push(format!("{name}:{number}: {place} must not know {module}"));
                }
            }
        }
    }
    report("a module looks against the flow", &broken);
}

#[test]
fn every_command_file_has_its_row() {
    let mut broken = Vec::new();
    let mut commands = 0;
    for (name, text) in sources() {
        let Some(rest) = name.strip_prefix("server/src/command/") else { continue };
        let Some((group, file)) = rest.split_once('/') else { continue };
        let Some(module) = file.strip_suffix(".rs").filter(|module| !module.contains('/')) else {
            continue;
        };
        if !text.contains("pub const SPEC: Spec") {
            continue;
        }
        commands += 1;
        let folder = root().join("server/src/command").join(group);
        // A subcommand has its row in its container's list.
        let mut lists = Vec::new();
        files_below(&folder, ".rs", &mut lists);
        let has_row = lists.iter().any(|list| {
            let list_text = fs::read_to_string(list).expect("a readable file");
            list_text.contains(&format!("{module}::SPEC"))
        });
        if !has_row {
            broken.push(name);
        }
    }
    assert!(commands > 150, "only {commands} commands were found");
    report("a command without a row", &broken);
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut broken = Vec::new();
    for (name, text) in sources() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            broken.push(format!("{name}: {lines} lines"));
        }
        if lines > 40 && !text.contains("//!") {
            broken.push(format!("{name}: no //! header"));
        }
    }
    report("file too long or without a header", &broken);
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "unimple".to_owned() + "mented!"];
    let mut broken = Vec::new();
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let calls = line.contains(&("to".to_owned() + "do!("))
                || line.contains("allow(dead_code")
                || line.contains("#[ignore");
            if !name.ends_with("tests/tidy.rs")
                && (calls || marks.iter().any(|mark| line.contains(mark)))
            {
                broken.push(format!("{name}:{}", number + 1));
            }
        }
    }
    report("looks unfinished", &broken);
}
