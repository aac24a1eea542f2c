//! Listeners and their routes.
//!
//! Job: `[[listener]]` and the listener's part of `[defaults]`. In: sections, the pools. Out:
//! listeners of the model. Invariant: a listener sends to pools of its own mode only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use ringlet_base::config::values::{choice, flag, name_of, number, size, text, text_as, time};
use ringlet_base::config::{self, Section, items, shown, suggestion};
use ringlet_limit::model::Rule;
use toml::de::DeValue;

use super::names::{LOG_FORMATS, MODES};
use super::{defaults, rate_limit, words};
use crate::model::{
    HeaderPattern, Listener, LogFormat, Mode, PathPattern, Pool, Rewrite, Route, ValuePattern,
};

/// Keys that mean something for HTTP only.
const HTTP_KEYS: [&str; 14] = [
    "client_timeout",
    "request_timeout",
    "keepalive_timeout",
    "head_bytes_max",
    "fields_max",
    "x_forwarded",
    "forwarded",
    "via",
    "request_id",
    "request_headers",
    "response_headers",
    "errors",
    "rate_limit_headers",
    "rate_limit_status",
];

/// The keys that `[defaults]` may have too.
pub fn settings(
    section: &Section<'_>,
    listener: &mut Listener,
    folder: &Path,
    rules: &[Arc<Rule>],
) {
    section.set("mode", &mut listener.mode, text_as(|text| choice(text, &MODES)));
    section.set("client_timeout", &mut listener.timeouts.client_ms, time);
    section.set("request_timeout", &mut listener.timeouts.request_ms, time);
    section.set("keepalive_timeout", &mut listener.timeouts.keepalive_ms, time);
    section.set("head_bytes_max", &mut listener.head_bytes_max, size(1 << 10, 64 << 10));
    section.set("fields_max", &mut listener.fields_max, number(1, 256));
    section.set("accept_proxy", &mut listener.accepts_proxy, flag);
    let network = text_as(network);
    if let Some(trusted) = section.list("trusted", network) {
        listener.trusted = trusted;
    }
    section.set("x_forwarded", &mut listener.forwarding.x_forwarded, flag);
    section.set("forwarded", &mut listener.forwarding.forwarded, flag);
    section.set("via", &mut listener.forwarding.via, flag);
    section.set("request_id", &mut listener.forwarding.request_id, flag);
    if let Some(rewrites) = rewrites(section, "request_headers") {
        listener.request_rewrites = rewrites;
    }
    if let Some(rewrites) = rewrites(section, "response_headers") {
        listener.response_rewrites = rewrites;
    }
    if let Some(pages) = error_pages(section, folder) {
        listener.error_pages = pages;
    }
    section.set("log", &mut listener.log, text_as(log_format));
    if let Some(names) = rate_limit::names(section, rules) {
        listener.rate_limits = names;
    }
    section.set("rate_limit_headers", &mut listener.rate_limit_headers, rate_limit::style);
    let status = |value: &DeValue<'_>| number(400, 599)(value).map(Some);
    section.set("rate_limit_status", &mut listener.rate_limit_status, status);
}

/// All listeners.
pub fn read_all(
    root: &Section<'_>,
    base: &Listener,
    pools: &[Pool],
    folder: &Path,
    rules: &[Arc<Rule>],
) -> Vec<Listener> {
    let mut names = BTreeSet::new();
    let mut binds = BTreeSet::new();
    let mut listeners = Vec::new();
    for section in root.tables("listener") {
        let listener = read(&section, base, pools, folder, rules);
        for bind in &listener.binds {
            if !binds.insert(bind.clone()) {
                section.wrong("bind", &format!("{bind} is bound twice"));
            }
        }
        if !listener.binds.is_empty() && !names.insert(listener.name.clone()) {
            section.wrong("name", &format!("another listener is called {} too", listener.name));
        }
        section.finish_with(|key| match key {
            "connect_timeout" | "server_timeout" | "queue_timeout" | "tunnel_timeout"
            | "balance" | "servers" | "check" | "retry" | "sticky" | "send_proxy" => {
                Some("it belongs to a pool".to_owned())
            }
            "pool" | "default_backend" => Some("did you mean `default_pool`?".to_owned()),
            _ => None,
        });
        listeners.push(listener);
    }
    match root.value("listener") {
        None => root.missing("listener"),
        Some(value) if items(value).is_empty() => root.wrong("listener", "is empty"),
        Some(_) => {}
    }
    listeners
}

fn read(
    section: &Section<'_>,
    base: &Listener,
    pools: &[Pool],
    folder: &Path,
    rules: &[Arc<Rule>],
) -> Listener {
    let mut listener = base.clone();
    settings(section, &mut listener, folder, rules);
    section.set("maxconn", &mut listener.connections_max, number(1, super::CONNECTIONS_MAX));
    match section.filled_list("bind", text_as(config::bind_address)) {
        Some(binds) => listener.binds = binds,
        None => section.missing("bind"),
    }
    listener.name = listener.binds.first().cloned().unwrap_or_default();
    section.set("name", &mut listener.name, text_as(config::name));
    if listener.mode == Mode::Tcp {
        without_http(section, &mut listener);
        rate_limit::check_tcp(section, &listener.rate_limits, rules);
    }
    if let Some(name) = section.get("default_pool", text) {
        listener.default_pool = pool_index(section, "default_pool", &name, listener.mode, pools);
    }
    for route in section.tables("route") {
        if listener.mode == Mode::Tcp {
            section.wrong("route", "routes need mode http; name the `default_pool` instead");
            break;
        }
        if let Some(read) = read_route(&route, pools, rules) {
            listener.routes.push(read);
        }
        route.finish();
    }
    if !section.has("default_pool") && !section.has("route") {
        section.wrong_table("neither `default_pool` nor `route`", "");
    }
    listener
}

/// Puts aside what is about HTTP in a listener for TCP.
fn without_http(section: &Section<'_>, listener: &mut Listener) {
    for key in HTTP_KEYS.iter().filter(|key| section.has(key)) {
        section.wrong(key, "needs mode http");
    }
    let plain = defaults::listener();
    listener.timeouts = plain.timeouts;
    listener.head_bytes_max = plain.head_bytes_max;
    listener.fields_max = plain.fields_max;
    listener.forwarding = defaults::FORWARDING_NONE;
    listener.request_rewrites = plain.request_rewrites;
    listener.response_rewrites = plain.response_rewrites;
    listener.error_pages = plain.error_pages;
    listener.rate_limit_headers = plain.rate_limit_headers;
    listener.rate_limit_status = plain.rate_limit_status;
}

fn pool_index(
    section: &Section<'_>,
    key: &str,
    name: &str,
    mode: Mode,
    pools: &[Pool],
) -> Option<usize> {
    let Some(index) = pools.iter().position(|pool| pool.name == name) else {
        let hint = suggestion(name, pools.iter().map(|pool| pool.name.as_str()));
        let given = shown(name);
        section.wrong(key, &format!("no pool is called \"{given}\"{hint}"));
        return None;
    };
    let other = pools[index].mode;
    if other != mode {
        let (own, other) = (name_of(&MODES, &mode), name_of(&MODES, &other));
        section.wrong(key, &format!("pool {name} is in mode {other}, this listener in mode {own}"));
    }
    Some(index)
}

fn read_route(section: &Section<'_>, pools: &[Pool], rules: &[Arc<Rule>]) -> Option<Route> {
    let hosts = section.list("host", text_as(words::host_pattern)).unwrap_or_default();
    let path = section.get("path", text_as(words::path_pattern)).unwrap_or(PathPattern::Any);
    let methods = section.list("methods", text_as(words::token)).unwrap_or_default();
    let headers = section.table("headers").map_or_else(Vec::new, |table| header_patterns(&table));
    let request_rewrites = rewrites(section, "request_headers").unwrap_or_default();
    let response_rewrites = rewrites(section, "response_headers").unwrap_or_default();
    let rate_limits = rate_limit::names(section, rules).unwrap_or_default();
    let Some(name) = section.get("pool", text) else {
        if !section.has("pool") {
            section.missing("pool");
        }
        return None;
    };
    let pool = pool_index(section, "pool", &name, Mode::Http, pools)?;
    Some(Route {
        hosts,
        path,
        methods,
        headers,
        pool,
        rate_limits,
        request_rewrites,
        response_rewrites,
    })
}

/// `{ x-version = "2", x-beta = true, accept = { prefix = "text/" } }`.
fn header_patterns(section: &Section<'_>) -> Vec<HeaderPattern> {
    let mut patterns = Vec::new();
    for (name, value) in section.entries() {
        let pattern = section.understand(name, value, |value| {
            let name = words::token(name)?.to_ascii_lowercase();
            let value = match value {
                toml::de::DeValue::Boolean(true) => ValuePattern::Present,
                toml::de::DeValue::String(text) => ValuePattern::Exact(words::field_value(text)?),
                toml::de::DeValue::Table(table) if table.len() == 1 => {
                    let prefix = table.get("prefix").and_then(|prefix| prefix.get_ref().as_str());
                    ValuePattern::Prefix(words::field_value(prefix.ok_or(WANTED)?)?)
                }
                _ => return Err(WANTED.to_owned()),
            };
            Ok(HeaderPattern { name, value })
        });
        patterns.extend(pattern);
    }
    patterns
}

const WANTED: &str = "a header is matched by a text, true, or { prefix = \"...\" }";

/// `{ remove = ["a"], set = { b = "1" }, add = { c = ["2", "3"] } }`, done in this order.
fn rewrites(section: &Section<'_>, key: &'static str) -> Option<Vec<Rewrite>> {
    let table = section.table(key)?;
    let is_request = key == "request_headers";
    let mut rewrites: Vec<Rewrite> = table
        .list("remove", text_as(|text| removable(text, is_request)))
        .unwrap_or_default()
        .into_iter()
        .map(Rewrite::Remove)
        .collect();
    let mut set_names = BTreeSet::new();
    if let Some(set) = table.table("set") {
        for (name, value) in set.entries() {
            let value = set.understand(name, value, |value| {
                words::changeable_field(name)?;
                words::field_value(&text(value)?)
            });
            if !set_names.insert(name.to_ascii_lowercase()) {
                set.wrong(name, "is set twice");
            }
            rewrites.extend(value.map(|value| Rewrite::Set(name.to_owned(), value)));
        }
    }
    if let Some(add) = table.table("add") {
        for (name, value) in add.entries() {
            for item in items(value) {
                let value = add.understand(name, item, |value| {
                    removable(name, is_request)?;
                    words::field_value(&text(value)?)
                });
                rewrites.extend(value.map(|value| Rewrite::Add(name.to_owned(), value)));
            }
        }
    }
    table.finish();
    Some(rewrites)
}

/// A field of which there may be none and several: the Host of a request is neither.
fn removable(name: &str, is_request: bool) -> Result<String, String> {
    if is_request && name.eq_ignore_ascii_case("host") {
        return Err("a request has exactly one Host field: it can only be set".to_owned());
    }
    words::changeable_field(name)
}

/// `{ 503 = "file.html", 404 = { html = "<p>..." } }`.
fn error_pages(section: &Section<'_>, folder: &Path) -> Option<BTreeMap<u16, Arc<[u8]>>> {
    let table = section.table("errors")?;
    let mut pages = BTreeMap::new();
    for (key, value) in table.entries() {
        let page = table.understand(key, value, |value| {
            let status: Option<u16> = key.parse().ok();
            let status = status
                .filter(|status| (400..=599).contains(status) && key.len() == 3)
                .ok_or("is not a status from 400 to 599")?;
            let html = match value {
                toml::de::DeValue::String(path) => {
                    config::read_text(&folder.join(path.as_ref()), defaults::ERROR_PAGE_BYTES_MAX)?
                }
                toml::de::DeValue::Table(table) if table.len() == 1 => table
                    .get("html")
                    .and_then(|html| html.get_ref().as_str())
                    .ok_or(PAGE_WANTED)?
                    .to_owned(),
                _ => return Err(PAGE_WANTED.to_owned()),
            };
            Ok((status, Arc::from(html.into_bytes())))
        });
        pages.extend(page);
    }
    Some(pages)
}

const PAGE_WANTED: &str = "an error page is the path of a file or { html = \"...\" }";

fn network(text: &str) -> Result<ipnet::IpNet, String> {
    let address = text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
    address.or_else(|_| text.parse::<ipnet::IpNet>()).map(|net| net.trunc()).map_err(|_| {
        format!("\"{}\" is neither an address nor a network such as 10.0.0.0/8", shown(text))
    })
}

fn log_format(text: &str) -> Result<Option<LogFormat>, String> {
    if text == "off" {
        return Ok(None);
    }
    choice(text, &LOG_FORMATS).map(Some).map_err(|error| format!("{error}, `off`"))
}
