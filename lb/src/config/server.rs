//! Servers of a pool.
//!
//! Job: the key `servers`. In: texts such as "10.0.0.1:9000 weight=2 backup", or tables. Out:
//! servers of the model. Invariant: both forms have the same keys, as the text is read as a table.

use std::collections::BTreeSet;

use ringlet_base::config::values::{choice, flag, number, text_as};
use ringlet_base::config::{self, Problem, Section, Value, items, shown};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::words;
use crate::balance::key::identity;
use crate::model::{AdminState, Pool, Server};

/// States by name, as HAProxy's.
pub const STATES: [(&str, AdminState); 3] = [
    ("ready", AdminState::Ready),
    ("drain", AdminState::Drain),
    ("maint", AdminState::Maintenance),
];

/// Words of a text that stand alone, with the key and value that they mean.
const FLAGS: [(&str, &str, &str); 4] = [
    ("backup", "backup", "true"),
    ("check", "check", "true"),
    ("no-check", "check", "false"),
    ("disabled", "state", "\"maint\""),
];

/// Keys whose values are numbers also in a text.
const NUMBERS: [&str; 3] = ["weight", "priority", "maxconn"];

/// Keys of a text that have a value.
const KEYS: [&str; 7] = ["address", "name", "weight", "priority", "maxconn", "cookie", "state"];

/// A server with nothing said about it.
pub fn plain(address: String) -> Server {
    Server {
        name: address.clone(),
        cookie: cookie_of(&address),
        address,
        weight: 1,
        priority: 0,
        requests_max: 0,
        checked: true,
        state: AdminState::Ready,
    }
}

/// The cookie of a server that has none of its own: it tells nothing but who is who, everywhere the
/// same.
pub fn cookie_of(name: &str) -> String {
    format!("{:016x}", identity(name, 0))
}

/// Reads the servers of a pool whose other settings are known.
pub fn read_all(section: &Section<'_>, pool: &mut Pool) {
    let mut requests_max = 0;
    section.set("maxconn", &mut requests_max, number(0, super::CONNECTIONS_MAX));
    let Some(value) = section.value("servers") else {
        section.missing("servers");
        return;
    };
    if items(value).is_empty() {
        section.wrong("servers", "is empty");
    }
    let mut names = BTreeSet::new();
    let mut cookies = BTreeSet::new();
    for item in items(value) {
        let offset = item.span().start;
        let Some(server) = read(section, item, requests_max, pool) else { continue };
        if !names.insert(server.name.clone()) {
            section.wrong_at(offset, "servers", &format!("{} is there twice", server.name));
        } else if !cookies.insert(server.cookie.clone()) {
            section.wrong_at(
                offset,
                "servers",
                &format!("cookie {} is there twice", server.cookie),
            );
        }
        pool.servers.push(server);
    }
}

/// Reads one server as a text of the file says it, for a pool whose settings are known.
///
/// # Errors
/// One line for each problem.
pub fn server(text: &str, pool: &Pool) -> Result<Server, String> {
    let table = table_of(text, 0..text.len())?;
    let lines = |problems: Vec<Problem>| {
        problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>().join("\n")
    };
    config::read_table(text, &table, |root| read_table(root, 0, pool))
        .and_then(|server| server.ok_or_else(Vec::new))
        .map_err(lines)
}

fn read(section: &Section<'_>, item: &Value<'_>, requests_max: u32, pool: &Pool) -> Option<Server> {
    let offset = item.span().start;
    match item.get_ref() {
        DeValue::Table(table) => {
            read_table(section.below("servers", table, offset), requests_max, pool)
        }
        DeValue::String(text) => match table_of(text, item.span()) {
            Ok(table) => read_table(section.below("servers", &table, offset), requests_max, pool),
            Err(error) => {
                section.wrong_at(offset, "servers", &error);
                None
            }
        },
        _ => {
            section.wrong_at(offset, "servers", "a server is a text or a table");
            None
        }
    }
}

/// "10.0.0.1:9000 weight=2 backup" as `{ address = "10.0.0.1:9000", weight = 2, backup = true }`.
fn table_of(text: &str, span: std::ops::Range<usize>) -> Result<DeTable<'_>, String> {
    let mut table = DeTable::new();
    let mut words = text.split_ascii_whitespace();
    let address = words.next().ok_or("a server needs an address")?;
    let mut pairs = vec![("address", DeValue::String(address.into()))];
    for word in words {
        pairs.push(match word.split_once('=') {
            Some((key, value)) if NUMBERS.contains(&key) => (key, parsed(value)),
            Some((key, value)) => (key, DeValue::String(value.into())),
            None => match FLAGS.iter().find(|(flag, _, _)| *flag == word) {
                Some((_, key, value)) => (*key, parsed(value)),
                None if KEYS.contains(&word) => {
                    return Err(format!("`{word}` needs a value: `{word}=...`"));
                }
                None => (word, DeValue::Boolean(true)),
            },
        });
    }
    for (key, value) in pairs {
        let key = Spanned::new(span.clone(), key.into());
        if table.insert(key, Spanned::new(span.clone(), value)).is_some() {
            return Err(format!("\"{}\" says something twice", shown(text)));
        }
    }
    Ok(table)
}

/// A value as in a file, or else the text itself, which its reader will refuse.
fn parsed(text: &str) -> DeValue<'_> {
    DeValue::parse(text).map_or(DeValue::String(text.into()), Spanned::into_inner)
}

fn read_table(section: Section<'_>, requests_max: u32, pool: &Pool) -> Option<Server> {
    let address = section.get("address", text_as(config::address));
    let is_missing = address.is_none() && !section.has("address");
    if is_missing {
        section.missing("address");
    }
    let mut server = plain(address.unwrap_or_default());
    server.requests_max = requests_max;
    if let Some(name) = section.get("name", text_as(config::name)) {
        server.cookie = cookie_of(&name);
        server.name = name;
    }
    section.set("weight", &mut server.weight, number(0, WEIGHT_MAX));
    section.set("priority", &mut server.priority, number(0, u8::MAX));
    section.set("maxconn", &mut server.requests_max, number(0, super::CONNECTIONS_MAX));
    section.set("state", &mut server.state, text_as(|text| choice(text, &STATES)));
    section.set("check", &mut server.checked, flag);
    if section.get("backup", flag) == Some(true) {
        if section.has("priority") {
            section.wrong("backup", "is `priority` 1: say one of the two");
        }
        server.priority = 1;
    }
    if section.has("check") && server.checked && pool.check.is_none() {
        section.wrong("check", "the pool says no `check`, such as check = \"tcp\"");
    }
    if let Some(cookie) = section.get("cookie", text_as(words::cookie_value)) {
        if pool.sticky.is_none() {
            section.wrong("cookie", "the pool is not `sticky`");
        }
        server.cookie = cookie;
    }
    section.finish();
    (!server.address.is_empty()).then_some(server)
}

/// The heaviest server, as HAProxy's.
pub const WEIGHT_MAX: u16 = 256;
