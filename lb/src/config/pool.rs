//! Pools.
//!
//! Job: `[pool.NAME]` and the pool's part of `[defaults]`. In: sections. Out: pools of the model.
//! Invariant: what an algorithm or a mode does not use has its built-in default, so that two
//! configurations that do the same are the same.

use ringlet_base::config::values::{choice, describe, flag, number, text_as, time, time_or_zero};
use ringlet_base::config::{self, Section, listed, shown, suggestion};
use toml::de::DeValue;

use super::check::{read_check, read_ejection};
use super::names::{MODES, PROXY_VERSIONS};
use super::{defaults, server, words};
use crate::balance::{ALGORITHMS, Algorithm, CHOICES_MAX, SERVERS_MAX, algorithm};
use crate::model::{Balance, HashKey, Mode, Pool, Sticky};

/// Algorithms that look at `choices` servers.
const DRAWING: [&str; 3] = ["p2c", "random", "peak-ewma"];

/// Whether an algorithm looks at `choices` servers.
pub fn draws(name: &str) -> bool {
    DRAWING.contains(&name)
}

/// The keys that `[defaults]` may have too.
pub fn settings(section: &Section<'_>, pool: &mut Pool) {
    section.set("mode", &mut pool.mode, text_as(|text| choice(text, &MODES)));
    section.set("connect_timeout", &mut pool.timeouts.connect_ms, time);
    section.set("server_timeout", &mut pool.timeouts.server_ms, time);
    section.set("queue_timeout", &mut pool.timeouts.queue_ms, time);
    section.set("tunnel_timeout", &mut pool.timeouts.tunnel_ms, time);
    let balance = &mut pool.balance;
    section.set("balance", &mut balance.algorithm, text_as(algorithm_name));
    section.set("hash_key", &mut balance.key, text_as(words::hash_key));
    section.set("choices", &mut balance.choices, number(1, CHOICES_MAX as u8));
    section.set("load_factor", &mut balance.load_factor_percent, load_factor);
    pool.check = read_check(section, pool.check.as_ref());
    pool.ejection = read_ejection(section, pool.ejection.as_ref());
    section.set("panic_percent", &mut pool.panic_percent, number(0, 100));
    section.set("queue_max", &mut pool.queue_max, number(0, super::CONNECTIONS_MAX));
    section.set("requests_max", &mut pool.requests_max, number(0, super::CONNECTIONS_MAX));
    section.set("slow_start", &mut pool.slow_start_ms, time_or_zero);
    read_sticky(section, &mut pool.sticky);
    if let Some(section) = section.table("retry") {
        section.set("attempts", &mut pool.retry.attempts, number(0, 16));
        section.set("budget_percent", &mut pool.retry.budget_percent, number(0, 100));
        section.set("budget_min", &mut pool.retry.budget_min, number(0, u32::MAX));
        section.finish();
    }
    if let Some(section) = section.table("idle") {
        let idle = &mut pool.idle;
        section.set("maxconn", &mut idle.connections_max, number(0, super::CONNECTIONS_MAX));
        section.set("timeout", &mut idle.timeout_ms, time);
        section.set("lifetime", &mut idle.lifetime_ms, time);
        section.set("requests_max", &mut idle.requests_max, number(0, u32::MAX));
        section.finish();
    }
    section.set("send_proxy", &mut pool.sends_proxy, |value| match value {
        DeValue::Boolean(false) => Ok(None),
        other => text_as(|text| choice(text, &PROXY_VERSIONS))(other).map(Some),
    });
}

/// All pools, in the order of the file.
pub fn read_all(root: &Section<'_>, base: &Pool) -> Vec<Pool> {
    let Some(table) = root.table("pool") else {
        if !root.has("pool") {
            root.missing("pool");
        }
        return Vec::new();
    };
    let mut pools = Vec::new();
    for (key, value) in table.entries() {
        let read = |value: &DeValue<'_>| match value {
            DeValue::Table(_) => config::name(key),
            _ => Err("is not a table".to_owned()),
        };
        let name = table.understand(key, value, read);
        let (Some(name), Some(inner)) = (name, value.get_ref().as_table()) else { continue };
        let section = table.below(key, inner, value.span().start);
        pools.push(read_pool(name, &section, base));
        section.finish_with(|key| match key {
            "client_timeout" | "request_timeout" | "keepalive_timeout" | "bind" | "route"
            | "trusted" | "accept_proxy" | "x_forwarded" | "forwarded" | "via" | "errors"
            | "log" | "request_headers" | "response_headers" => {
                Some("it belongs to a listener".to_owned())
            }
            "server" => Some("did you mean `servers`?".to_owned()),
            _ => None,
        });
    }
    if pools.is_empty() && table.entries().next().is_none() {
        root.wrong("pool", "is empty");
    }
    pools
}

fn read_pool(name: String, section: &Section<'_>, base: &Pool) -> Pool {
    let mut pool = Pool { name, ..base.clone() };
    settings(section, &mut pool);
    settle_balance(section, &mut pool);
    if pool.mode == Mode::Tcp {
        for key in ["sticky", "idle", "server_timeout"].into_iter().filter(|key| section.has(key)) {
            section.wrong(key, "needs mode http");
        }
        pool.sticky = None;
        pool.idle = defaults::pool().idle;
        pool.timeouts.server_ms = defaults::TIMEOUTS.server_ms;
    }
    server::read_all(section, &mut pool);
    if pool.servers.len() > SERVERS_MAX {
        section.wrong("servers", &format!("there are more than {SERVERS_MAX}"));
    }
    if !section.has("ejection") {
        keep_the_only_server(&mut pool);
    }
    pool
}

/// Who ejects the only server turns some errors into nothing but errors.
pub fn keep_the_only_server(pool: &mut Pool) {
    if pool.servers.len() < 2 {
        pool.ejection = None;
    }
}

/// Whether an algorithm can serve a mode.
pub fn fits(algorithm: &Algorithm, mode: Mode) -> Result<(), String> {
    match &algorithm.key {
        Some(key) if mode == Mode::Tcp && *key != HashKey::Source => {
            Err(format!("`{}` needs mode http", algorithm.name))
        }
        _ => Ok(()),
    }
}

/// Resets what the algorithm does not use, and tells what was given for nothing.
fn settle_balance(section: &Section<'_>, pool: &mut Pool) {
    let plain = defaults::pool().balance;
    let Some(algorithm) = algorithm(pool.balance.algorithm) else { return };
    let name = algorithm.name;
    if let Err(error) = fits(algorithm, pool.mode) {
        section.wrong("balance", &error);
    }
    let Balance { key, choices, load_factor_percent, .. } = &mut pool.balance;
    if !algorithm.hashes() {
        for given in ["hash_key", "load_factor"].into_iter().filter(|key| section.has(key)) {
            section.wrong(given, &format!("`{name}` does not hash; {}", hashing_hint()));
        }
        (*key, *load_factor_percent) = (plain.key, plain.load_factor_percent);
    } else if let Some(fixed) = &algorithm.key {
        if section.has("hash_key") && key != fixed {
            let fixed = words::write_hash_key(fixed);
            section.wrong("hash_key", &format!("`{name}` always hashes `{fixed}`"));
        }
        *key = fixed.clone();
    } else if pool.mode == Mode::Tcp && *key != HashKey::Source {
        if section.has("hash_key") {
            section.wrong("hash_key", "in mode tcp only `source` can be hashed");
        }
        *key = HashKey::Source;
    }
    if !draws(name) {
        if section.has("choices") {
            let drawing = listed(&DRAWING);
            section.wrong("choices", &format!("`{name}` does not draw; {drawing} do"));
        }
        *choices = plain.choices;
    }
}

fn hashing_hint() -> String {
    let hashing = ALGORITHMS.iter().filter(|algorithm| algorithm.hashes());
    let names: Vec<&str> = hashing.map(|algorithm| algorithm.name).collect();
    format!("{} do", listed(&names))
}

/// The name of an algorithm, as the table has it.
pub fn algorithm_name(text: &str) -> Result<&'static str, String> {
    if let Some(algorithm) = algorithm(text) {
        return Ok(algorithm.name);
    }
    let names: Vec<&str> = ALGORITHMS.iter().map(|algorithm| algorithm.name).collect();
    let hint = match text {
        "roundrobin" | "static-rr" | "rr" => "; did you mean `round-robin`?".to_owned(),
        "leastconn" | "least_conn" => "; did you mean `least-conn`?".to_owned(),
        "ewma" | "least_time" => "; did you mean `peak-ewma`?".to_owned(),
        other => suggestion(other, names.iter().copied()),
    };
    let hint = if hint.is_empty() { format!("; they are {}", listed(&names)) } else { hint };
    Err(format!("no algorithm is called \"{}\"{hint}", shown(text)))
}

fn load_factor(value: &DeValue<'_>) -> Result<u16, String> {
    number(0, 1000)(value).ok().filter(|&percent| percent == 0 || percent >= 100).ok_or_else(|| {
        format!("{} is neither 0 nor a percentage from 100 to 1000", describe(value))
    })
}

/// `sticky = "SERVERID"`, `false`, or a table.
fn read_sticky(section: &Section<'_>, sticky: &mut Option<Sticky>) {
    let plain = |cookie| Sticky { cookie, max_age_s: 0, http_only: true, secure: false };
    let Some(value) = section.value("sticky") else { return };
    if !value.get_ref().is_table() {
        section.set("sticky", sticky, |value| match value {
            DeValue::Boolean(false) => Ok(None),
            DeValue::String(text) => words::token(text).map(plain).map(Some),
            other => Err(format!(
                "{} is neither the name of a cookie, a table nor false",
                describe(other)
            )),
        });
        return;
    }
    let Some(section) = section.table("sticky") else { return };
    let mut read = sticky.take().unwrap_or_else(|| plain(String::new()));
    section.set("cookie", &mut read.cookie, text_as(words::token));
    section.set("max_age", &mut read.max_age_s, |value| match time_or_zero(value)? {
        ms if ms % 1000 == 0 => Ok(ms / 1000),
        _ => Err("the age of a cookie is in whole seconds".to_owned()),
    });
    section.set("http_only", &mut read.http_only, flag);
    section.set("secure", &mut read.secure, flag);
    if read.cookie.is_empty() && !section.has("cookie") {
        section.missing("cookie");
    }
    section.finish();
    *sticky = Some(read);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_algorithms_exist() {
        for name in DRAWING {
            assert!(algorithm(name).is_some_and(|algorithm| !algorithm.hashes()), "{name}");
        }
    }
}
