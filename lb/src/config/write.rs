//! The configuration as a file.
//!
//! Job: write down what holds, defaults and all, for `ringlet-lb check`. In: a configuration. Out:
//! TOML. Invariant: reading it gives the same configuration.

use ringlet_base::config::units::{write_size, write_time};
use ringlet_base::config::values::name_of;
use toml::{Table, Value};

use super::check::kind_name;
use super::names::{LOG_FORMATS, MODES, PROXY_VERSIONS};
use super::rate_limit;
use super::server::{STATES, cookie_of};
use super::words::{write_hash_key, write_host_pattern, write_path_pattern};
use crate::balance::algorithm;
use crate::model::{
    AdminState, Check, CheckKind, Configuration, Ejection, Listener, LogTarget, Mode, Pool,
    Rewrite, Route, Server, ValuePattern,
};

/// A file that says all that a configuration holds.
#[must_use]
pub fn effective(configuration: &Configuration) -> String {
    let mut out = String::new();
    section(&mut out, "[global]", &global(configuration));
    for one in &configuration.listeners {
        section(&mut out, "[[listener]]", &listener(one, configuration));
        for one in &one.routes {
            section(&mut out, "[[listener.route]]", &route(one, configuration));
        }
    }
    for one in &configuration.pools {
        let mut name = Table::new();
        name.insert(one.name.clone(), Value::Boolean(true));
        let key = name.to_string();
        let key = key.rsplit_once(" = ").map_or(one.name.as_str(), |(key, _)| key);
        section(&mut out, &format!("[pool.{key}]"), &pool(one));
    }
    rate_limit::write(&mut out, &configuration.rate_limits);
    out
}

fn section(out: &mut String, header: &str, table: &Table) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(header);
    out.push('\n');
    for (key, value) in table {
        match value {
            Value::Array(items) if key == "servers" => {
                out.push_str("servers = [\n");
                for item in items {
                    out.push_str(&format!("    {item},\n"));
                }
                out.push_str("]\n");
            }
            value => out.push_str(&format!("{key} = {value}\n")),
        }
    }
}

fn put(table: &mut Table, key: &str, value: impl Into<Value>) {
    table.insert(key.to_owned(), value.into());
}

fn put_time(table: &mut Table, key: &str, ms: u32) {
    put(table, key, write_time(ms));
}

fn texts(values: impl IntoIterator<Item = impl Into<String>>) -> Value {
    Value::Array(values.into_iter().map(|value| Value::String(value.into())).collect())
}

fn global(configuration: &Configuration) -> Table {
    let global = &configuration.global;
    let mut table = Table::new();
    put(&mut table, "cores", Value::Integer(global.cores as i64));
    if let Some(admin) = &global.admin {
        put(&mut table, "admin", admin.clone());
    }
    put(&mut table, "maxconn", global.connections_max);
    put_time(&mut table, "drain_timeout", global.drain_timeout_ms);
    let log = match &global.log {
        LogTarget::Off => "off".to_owned(),
        LogTarget::StandardOutput => "stdout".to_owned(),
        LogTarget::File(path) => path.to_string_lossy().into_owned(),
    };
    put(&mut table, "access_log", log);
    table
}

fn pool_name(configuration: &Configuration, index: usize) -> String {
    configuration.pools.get(index).map(|pool| pool.name.clone()).unwrap_or_default()
}

fn listener(listener: &Listener, configuration: &Configuration) -> Table {
    let mut table = Table::new();
    let out = &mut table;
    put(out, "name", listener.name.clone());
    put(out, "bind", texts(listener.binds.clone()));
    put(out, "mode", name_of(&MODES, &listener.mode));
    if let Some(index) = listener.default_pool {
        put(out, "default_pool", pool_name(configuration, index));
    }
    put(out, "maxconn", listener.connections_max);
    put(out, "accept_proxy", listener.accepts_proxy);
    put(out, "trusted", texts(listener.trusted.iter().map(ToString::to_string)));
    put(out, "log", listener.log.map_or("off", |format| name_of(&LOG_FORMATS, &format)));
    put_rate_limits(out, &listener.rate_limits, configuration);
    if listener.mode == Mode::Tcp {
        return table;
    }
    put_time(out, "client_timeout", listener.timeouts.client_ms);
    put_time(out, "request_timeout", listener.timeouts.request_ms);
    put_time(out, "keepalive_timeout", listener.timeouts.keepalive_ms);
    put(out, "head_bytes_max", write_size(listener.head_bytes_max.into()));
    put(out, "fields_max", i64::from(listener.fields_max));
    put(out, "x_forwarded", listener.forwarding.x_forwarded);
    put(out, "forwarded", listener.forwarding.forwarded);
    put(out, "via", listener.forwarding.via);
    put(out, "request_id", listener.forwarding.request_id);
    put(out, "rate_limit_headers", listener.rate_limit_headers.name());
    if let Some(status) = listener.rate_limit_status {
        put(out, "rate_limit_status", i64::from(status));
    }
    put_rewrites(out, "request_headers", &listener.request_rewrites);
    put_rewrites(out, "response_headers", &listener.response_rewrites);
    let mut errors = Table::new();
    for (status, page) in &listener.error_pages {
        let mut inner = Table::new();
        put(&mut inner, "html", String::from_utf8_lossy(page).into_owned());
        put(&mut errors, &status.to_string(), inner);
    }
    if !errors.is_empty() {
        put(out, "errors", errors);
    }
    table
}

fn route(route: &Route, configuration: &Configuration) -> Table {
    let mut table = Table::new();
    let out = &mut table;
    if !route.hosts.is_empty() {
        put(out, "host", texts(route.hosts.iter().map(write_host_pattern)));
    }
    if let Some(path) = write_path_pattern(&route.path) {
        put(out, "path", path);
    }
    if !route.methods.is_empty() {
        put(out, "methods", texts(route.methods.clone()));
    }
    let mut headers = Table::new();
    for header in &route.headers {
        let value = match &header.value {
            ValuePattern::Present => Value::Boolean(true),
            ValuePattern::Exact(text) => Value::String(text.clone()),
            ValuePattern::Prefix(text) => {
                let mut inner = Table::new();
                put(&mut inner, "prefix", text.clone());
                Value::Table(inner)
            }
        };
        put(&mut headers, &header.name, value);
    }
    if !headers.is_empty() {
        put(out, "headers", headers);
    }
    put(out, "pool", pool_name(configuration, route.pool));
    put_rate_limits(out, &route.rate_limits, configuration);
    put_rewrites(out, "request_headers", &route.request_rewrites);
    put_rewrites(out, "response_headers", &route.response_rewrites);
    table
}

fn put_rate_limits(out: &mut Table, indexes: &[usize], configuration: &Configuration) {
    let rules = &configuration.rate_limits.rules.rules;
    let names = indexes.iter().filter_map(|&index| rules.get(index));
    if !indexes.is_empty() {
        put(out, "rate_limit", texts(names.map(|rule| rule.name.clone())));
    }
}

fn put_rewrites(out: &mut Table, key: &str, rewrites: &[Rewrite]) {
    let (mut remove, mut set, mut add) = (Vec::new(), Table::new(), Table::new());
    for rewrite in rewrites {
        match rewrite {
            Rewrite::Remove(name) => remove.push(Value::String(name.clone())),
            Rewrite::Set(name, value) => put(&mut set, name, value.clone()),
            Rewrite::Add(name, value) => {
                let all = add.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(all) = all {
                    all.push(Value::String(value.clone()));
                }
            }
        }
    }
    let mut table = Table::new();
    if !remove.is_empty() {
        put(&mut table, "remove", remove);
    }
    if !set.is_empty() {
        put(&mut table, "set", set);
    }
    if !add.is_empty() {
        put(&mut table, "add", add);
    }
    if !table.is_empty() {
        put(out, key, table);
    }
}

fn pool(pool: &Pool) -> Table {
    let mut table = Table::new();
    let out = &mut table;
    put(out, "mode", name_of(&MODES, &pool.mode));
    put(out, "balance", pool.balance.algorithm);
    if let Some(algorithm) = algorithm(pool.balance.algorithm) {
        if algorithm.hashes() {
            put(out, "hash_key", write_hash_key(&pool.balance.key));
            put(out, "load_factor", i64::from(pool.balance.load_factor_percent));
        }
        if super::pool::draws(algorithm.name) {
            put(out, "choices", i64::from(pool.balance.choices));
        }
    }
    let is_sticky = pool.sticky.is_some();
    put(out, "servers", texts(pool.servers.iter().map(|one| server(one, is_sticky))));
    put_time(out, "connect_timeout", pool.timeouts.connect_ms);
    put_time(out, "queue_timeout", pool.timeouts.queue_ms);
    put_time(out, "tunnel_timeout", pool.timeouts.tunnel_ms);
    put(out, "queue_max", pool.queue_max);
    put(out, "requests_max", pool.requests_max);
    match &pool.check {
        Some(one) => put(out, "check", check(one)),
        None => put(out, "check", false),
    }
    match &pool.ejection {
        Some(one) => put(out, "ejection", ejection(one)),
        None => put(out, "ejection", false),
    }
    put(out, "panic_percent", i64::from(pool.panic_percent));
    put_time(out, "slow_start", pool.slow_start_ms);
    let mut retry = Table::new();
    put(&mut retry, "attempts", i64::from(pool.retry.attempts));
    put(&mut retry, "budget_percent", i64::from(pool.retry.budget_percent));
    put(&mut retry, "budget_min", pool.retry.budget_min);
    put(out, "retry", retry);
    match pool.sends_proxy {
        Some(version) => put(out, "send_proxy", name_of(&PROXY_VERSIONS, &version)),
        None => put(out, "send_proxy", false),
    }
    if pool.mode == Mode::Tcp {
        return table;
    }
    put_time(out, "server_timeout", pool.timeouts.server_ms);
    let mut idle = Table::new();
    put(&mut idle, "maxconn", pool.idle.connections_max);
    put_time(&mut idle, "timeout", pool.idle.timeout_ms);
    put_time(&mut idle, "lifetime", pool.idle.lifetime_ms);
    put(&mut idle, "requests_max", pool.idle.requests_max);
    put(out, "idle", idle);
    let Some(sticky) = &pool.sticky else { return table };
    let mut inner = Table::new();
    put(&mut inner, "cookie", sticky.cookie.clone());
    put_time(&mut inner, "max_age", sticky.max_age_s.saturating_mul(1000));
    put(&mut inner, "http_only", sticky.http_only);
    put(&mut inner, "secure", sticky.secure);
    put(out, "sticky", inner);
    table
}

/// A server as a text, without what holds by default.
pub fn server(server: &Server, is_sticky: bool) -> String {
    let mut text = server.address.clone();
    if server.name != server.address {
        text.push_str(&format!(" name={}", server.name));
    }
    if server.weight != 1 {
        text.push_str(&format!(" weight={}", server.weight));
    }
    match server.priority {
        0 => {}
        1 => text.push_str(" backup"),
        priority => text.push_str(&format!(" priority={priority}")),
    }
    if server.requests_max != 0 {
        text.push_str(&format!(" maxconn={}", server.requests_max));
    }
    if is_sticky && server.cookie != cookie_of(&server.name) {
        text.push_str(&format!(" cookie={}", server.cookie));
    }
    if !server.checked {
        text.push_str(" no-check");
    }
    if server.state != AdminState::Ready {
        text.push_str(&format!(" state={}", name_of(&STATES, &server.state)));
    }
    text
}

fn check(check: &Check) -> Table {
    let mut table = Table::new();
    let out = &mut table;
    match &check.kind {
        CheckKind::Http { method, path, host, status, body } => {
            put(out, kind_name(&check.kind), path.clone());
            put(out, "method", method.clone());
            if let Some(host) = host {
                put(out, "host", host.clone());
            }
            put(out, "status", texts(status.iter().map(status_range)));
            if let Some(body) = body {
                put(out, "body", body.clone());
            }
        }
        CheckKind::Resp { password } => {
            put(out, kind_name(&check.kind), true);
            if let Some(password) = password {
                put(out, "password", password.clone());
            }
        }
        CheckKind::Tcp => put(out, kind_name(&check.kind), true),
    }
    put_time(out, "interval", check.interval_ms);
    put_time(out, "fast_interval", check.fast_interval_ms);
    put_time(out, "down_interval", check.down_interval_ms);
    put_time(out, "timeout", check.timeout_ms);
    put(out, "rise", i64::from(check.rise));
    put(out, "fall", i64::from(check.fall));
    put(out, "jitter", i64::from(check.jitter_percent));
    if let Some(port) = check.port {
        put(out, "port", i64::from(port));
    }
    table
}

fn status_range((from, to): &(u16, u16)) -> String {
    if from == to { from.to_string() } else { format!("{from}-{to}") }
}

fn ejection(ejection: &Ejection) -> Table {
    let mut table = Table::new();
    let out = &mut table;
    put(out, "consecutive_failures", ejection.consecutive_failures);
    put_time(out, "interval", ejection.interval_ms);
    put_time(out, "base", ejection.base_ms);
    put_time(out, "max", ejection.max_ms);
    put(out, "max_percent", i64::from(ejection.max_percent));
    put(out, "success_requests_min", ejection.success_requests_min);
    put(out, "success_hosts_min", ejection.success_hosts_min);
    let deviation = f64::from(ejection.success_deviation_thousandths) / 1000.0;
    put(out, "success_deviation", deviation);
    table
}
