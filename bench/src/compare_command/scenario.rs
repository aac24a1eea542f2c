//! Job: read what shall be compared.
//! In: a TOML file (bench/scenarios has examples with explanations). Out: a [`Scenario`], or all that is
//! wrong with it, each with its line.
//! Invariant: every name that a scenario refers to is there, and every `{name}` in its texts has a
//! meaning; the first system of a load is the one that the others are compared with.

use std::collections::BTreeSet;
use std::path::Path;

use ringlet_base::config::values::{number, text, text_as};
use ringlet_base::config::{self, Problems, Section, Value, items, shown, suggestion};
use toml::de::DeValue;

use super::kinds::{Kind, kind};
use super::ready::Ready;
use super::template::{Names, is_name};
use crate::shell::words;

const FILE_BYTES_MAX: u64 = 1 << 20;
const ROUNDS_MAX: usize = 1000;
const DEFAULT_ROUNDS: usize = 5;
const DEFAULT_SERVER_CPUS: &str = "0";
const DEFAULT_LOAD_CPUS: &str = "1";
const NAME_LENGTH_MAX: usize = 60;
/// What stands for something else than a backend in the texts of a scenario.
const RESERVED: [&str; 4] = ["address", "port", "folder", "config"];

/// What shall be compared.
#[derive(Debug)]
pub struct Scenario {
    /// The title of the report.
    pub title: String,
    /// How often each load meets each system.
    pub rounds: usize,
    /// CPUs of the load, as taskset takes them.
    pub load_cpus: String,
    /// What all systems share, and what runs all the time.
    pub backends: Vec<Program>,
    /// What is compared.
    pub systems: Vec<Program>,
    /// What they are compared by.
    pub loads: Vec<Load>,
}

/// A program to start.
#[derive(Debug)]
pub struct Program {
    /// How the report calls it.
    pub name: String,
    /// What it is.
    pub kind: &'static Kind,
    /// Where it is, if not where its kind is found.
    pub path: Option<String>,
    /// What it is told beside what its kind is always told.
    pub arguments: Vec<String>,
    /// Its configuration file.
    pub config: Option<String>,
    /// How to see that it serves.
    pub ready: Ready,
    /// Its CPUs, as taskset takes them.
    pub cpus: String,
}

/// A load, and which systems it meets.
#[derive(Debug)]
pub struct Load {
    /// How the report calls it.
    pub name: String,
    /// Indices of its systems; the others are compared with the first.
    pub systems: Vec<usize>,
    /// The arguments of `ringlet-bench load` for each of them.
    pub arguments: Vec<Vec<String>>,
    /// The same for a run before that is not measured.
    pub prepare: Option<Vec<String>>,
}

/// Reads a file.
///
/// # Errors
/// All that is wrong with it.
pub fn load(path: &Path) -> Result<Scenario, Problems> {
    parse(&config::read_text(path, FILE_BYTES_MAX).map_err(Problems::one)?)
}

/// Reads the text of a file.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &str) -> Result<Scenario, Problems> {
    config::parse(text, read)
}

fn read(root: Section<'_>) -> Scenario {
    let title = required(&root, "title", text).unwrap_or_default();
    let rounds = root.get("rounds", number(1, ROUNDS_MAX)).unwrap_or(DEFAULT_ROUNDS);
    let cpus_of =
        |key, default: &str| root.get(key, text_as(cpu_list)).unwrap_or_else(|| default.to_owned());
    let server_cpus = cpus_of("server_cpus", DEFAULT_SERVER_CPUS);
    let load_cpus = cpus_of("load_cpus", DEFAULT_LOAD_CPUS);
    let mut names = Names::default().with("address", "").with("port", "");
    let mut backends: Vec<Program> = Vec::new();
    for section in root.tables("backend") {
        let name = program_name(&section, &backends, backend_name);
        backends.extend(read_program(section, name, &names, &load_cpus));
    }
    for Program { name, .. } in &backends {
        names.add(name, "");
    }
    let mut systems: Vec<Program> = Vec::new();
    for section in root.tables("system") {
        let name = program_name(&section, &systems, shown_name);
        systems.extend(read_program(section, name, &names, &server_cpus));
    }
    let load = |section| read_load(section, &names, &systems);
    let loads: Vec<Load> = root.tables("load").into_iter().filter_map(load).collect();
    for key in ["system", "load"] {
        if root.value(key).is_none_or(|value| items(value).is_empty()) {
            root.missing(&format!("[[{key}]]"));
        }
    }
    root.finish_with(|key| match key {
        "systems" | "loads" | "backends" => {
            Some(format!("each is written as [[{}]]", key.trim_end_matches('s')))
        }
        _ => None,
    });
    Scenario { title, rounds, load_cpus, backends, systems, loads }
}

fn program_name(
    section: &Section<'_>,
    others: &[Program],
    read: impl Fn(&str) -> Result<String, String>,
) -> Option<String> {
    let name = required(section, "name", text_as(read))?;
    if others.iter().any(|other| other.name == name) {
        section.wrong("name", &format!("\"{name}\" is there twice"));
    }
    Some(name)
}

fn read_program(
    section: Section<'_>,
    name: Option<String>,
    names: &Names,
    cpus: &str,
) -> Option<Program> {
    let kind = required(&section, "kind", text_as(kind));
    let path = section.get("path", text);
    let mut names = names.with("folder", "");
    let config = section.get("config", text_as(|text| names.fill(text).map(|_| text.to_owned())));
    if section.has("config") {
        names.add("config", "");
    }
    let arguments = word_list(&section, "arguments", &names).unwrap_or_default();
    let ready = section.get("ready", text_as(Ready::read));
    let cpus = section.get("cpus", text_as(cpu_list)).unwrap_or_else(|| cpus.to_owned());
    if let Some(kind) = kind {
        let needs = |what| section.wrong("kind", &format!("\"{}\" needs {what}", kind.name));
        if kind.program.is_none() && !section.has("path") {
            needs("a `path`");
        }
        if kind.needs_config && !section.has("config") {
            needs("a `config`, which is the text of its file");
        }
    }
    section.finish_with(|key| match key {
        "command" => Some("a program is its `path` and its `arguments`".to_owned()),
        _ => None,
    });
    let kind = kind?;
    let ready = ready.unwrap_or_else(|| kind.ready.clone());
    Some(Program { name: name?, kind, path, arguments, config, ready, cpus })
}

fn read_load(section: Section<'_>, names: &Names, systems: &[Program]) -> Option<Load> {
    let name = required(&section, "name", text_as(shown_name));
    let index_of = |name: &str| {
        systems.iter().position(|system| system.name == name).ok_or_else(|| {
            let hint = suggestion(name, systems.iter().map(|system| system.name.as_str()));
            format!("no [[system]] is called \"{}\"{hint}", shown(name))
        })
    };
    let all = || (0..systems.len()).collect();
    let chosen = section.filled_list("systems", text_as(index_of)).unwrap_or_else(all);
    if chosen.iter().collect::<BTreeSet<_>>().len() < chosen.len() {
        section.wrong("systems", "names a system twice");
    }
    let prepare = word_list(&section, "prepare", names);
    // One line for all, and in its place another for some.
    let mut lines = vec![measured(&section, "arguments", section.value("arguments"), names)];
    lines.resize(systems.len().max(1), lines[0].clone());
    if let Some(table) = section.table("arguments_of") {
        for (name, value) in table.entries() {
            match index_of(name) {
                Err(error) => table.wrong(name, &error),
                Ok(index) => lines[index] = measured(&table, name, Some(value), names),
            }
        }
    }
    let arguments: Option<Vec<_>> = chosen.iter().map(|&index| lines[index].clone()).collect();
    if arguments.is_none() && !section.has("arguments") {
        section.missing("arguments");
    }
    section.finish();
    Some(Load { name: name?, systems: chosen, arguments: arguments?, prepare })
}

/// The arguments of a load that is measured. It must not fill: that is not in the load's figures, but the
/// server's CPU time would have it.
fn measured(
    section: &Section<'_>,
    key: &str,
    value: Option<&Value<'_>>,
    names: &Names,
) -> Option<Vec<String>> {
    let found = read_words(section, key, value?, names)?;
    if found.iter().any(|word| word == "--fill") {
        section.wrong(key, "`--fill` is not measured: it belongs into `prepare`");
        return None;
    }
    Some(found)
}

fn required<T>(
    section: &Section<'_>,
    key: &'static str,
    read: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> Option<T> {
    if !section.has(key) {
        section.missing(key);
    }
    section.get(key, read)
}

/// The words of a key that takes a command line or a list of words.
fn word_list(section: &Section<'_>, key: &'static str, names: &Names) -> Option<Vec<String>> {
    read_words(section, key, section.value(key)?, names)
}

fn read_words(
    section: &Section<'_>,
    key: &str,
    value: &Value<'_>,
    names: &Names,
) -> Option<Vec<String>> {
    let found = match value.get_ref() {
        DeValue::Array(list) => {
            let word = |item| section.understand(key, item, text);
            list.iter().map(word).collect::<Option<Vec<String>>>()?
        }
        _ => section.understand(key, value, text_as(words))?,
    };
    let filled = names.fill_all(&found).map_err(|error| section.wrong(key, &error));
    filled.is_ok().then_some(found)
}

/// A name for tables and files: one short line.
fn shown_name(text: &str) -> Result<String, String> {
    let is_right = !text.trim().is_empty()
        && text.chars().count() <= NAME_LENGTH_MAX
        && !text.contains(|c: char| c.is_control() || c == '|');
    let wrong = || {
        format!("\"{}\" is not a name: 1 to {NAME_LENGTH_MAX} signs in one line, no |", shown(text))
    };
    is_right.then(|| text.to_owned()).ok_or_else(wrong)
}

/// A name that stands in braces.
fn backend_name(text: &str) -> Result<String, String> {
    if RESERVED.contains(&text) {
        return Err(format!("{{{text}}} has a meaning of its own"));
    }
    let wrong = || {
        let given = shown(text);
        format!("\"{given}\" cannot stand in braces: a small letter, then those, digits, `-`, `_`")
    };
    is_name(text).then(|| text.to_owned()).ok_or_else(wrong)
}

/// CPUs as taskset takes them: numbers and ranges with commas.
fn cpu_list(text: &str) -> Result<String, String> {
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    let is_part = |part: &str| match part.split_once('-') {
        Some((first, last)) => is_number(first) && is_number(last),
        None => is_number(part),
    };
    let wrong = || format!("\"{}\" is not a list of CPUs such as \"0\" or \"0,2-3\"", shown(text));
    text.split(',').all(is_part).then(|| text.to_owned()).ok_or_else(wrong)
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
