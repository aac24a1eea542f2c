//! The boot summary.
//!
//! Job: say in a few lines what is about to run. In: a configuration, and what the process made of
//! it. Out: text. Invariant: its length does not grow with the number of servers beyond a bound.

use ringlet_base::config::units::write_time;
use ringlet_base::config::values::name_of;

use super::names::MODES;
use super::words::{write_host_pattern, write_path_pattern};
use super::write::server;
use crate::model::{Check, CheckKind, Configuration, Listener, Pool, Route};

/// Routes or servers that are named; of more only the number.
const NAMED_MAX: usize = 6;

/// What runs: cores and the admin page, a line for each listener and pool.
#[must_use]
pub fn summary(configuration: &Configuration, cores: usize, admin: Option<&str>) -> String {
    let on = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let admin = admin.map_or("no admin page".to_owned(), |admin| format!("admin http://{admin}/"));
    let mut lines = vec![format!("ringlet-lb {} on {on}, {admin}", env!("CARGO_PKG_VERSION"))];
    for listener in &configuration.listeners {
        lines.push(listener_line(listener, configuration));
    }
    for pool in &configuration.pools {
        lines.push(pool_line(pool));
    }
    lines.join("\n")
}

fn listener_line(listener: &Listener, configuration: &Configuration) -> String {
    let pool = |index: usize| configuration.pools.get(index).map_or("", |pool| pool.name.as_str());
    let mut ways: Vec<String> = listener
        .routes
        .iter()
        .map(|route| format!("{} -> {}", route_text(route), pool(route.pool)))
        .collect();
    shorten(&mut ways, "routes");
    match listener.default_pool {
        Some(index) if ways.is_empty() => ways.push(format!("-> {}", pool(index))),
        Some(index) => ways.push(format!("else -> {}", pool(index))),
        None => ways.push("else 404".to_owned()),
    }
    let mut binds = listener.binds.clone();
    shorten(&mut binds, "addresses");
    let mode = name_of(&MODES, &listener.mode);
    format!("listener {} ({mode}): {}", binds.join(", "), ways.join("; "))
}

fn route_text(route: &Route) -> String {
    let mut parts = route.methods.clone();
    let hosts: Vec<String> = route.hosts.iter().map(write_host_pattern).collect();
    if !hosts.is_empty() {
        parts.push(hosts.join("|"));
    }
    parts.extend(write_path_pattern(&route.path));
    parts.extend(route.headers.iter().map(|header| format!("{}:", header.name)));
    if parts.is_empty() { "all".to_owned() } else { parts.join(" ") }
}

fn pool_line(pool: &Pool) -> String {
    let mut servers: Vec<String> = pool.servers.iter().map(|one| server(one, false)).collect();
    shorten(&mut servers, "servers");
    let check = pool.check.as_ref().map_or("no check".to_owned(), check_text);
    let (mode, balance) = (name_of(&MODES, &pool.mode), pool.balance.algorithm);
    format!("pool {} ({mode}, {balance}, {check}): {}", pool.name, servers.join(", "))
}

fn check_text(check: &Check) -> String {
    let what = match &check.kind {
        CheckKind::Tcp => "tcp".to_owned(),
        CheckKind::Http { method, path, .. } => format!("{method} {path}"),
        CheckKind::Resp { .. } => "resp".to_owned(),
    };
    format!("check {what} every {}", write_time(check.interval_ms))
}

fn shorten(names: &mut Vec<String>, what: &str) {
    if names.len() > NAMED_MAX {
        let others = names.len() - NAMED_MAX;
        names.truncate(NAMED_MAX);
        names.push(format!("{others} more {what}"));
    }
}
