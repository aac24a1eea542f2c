//! Listeners.
//!
//! Job: `[[listener]]`. In: sections. Out: listeners of the model. Invariant: no address is bound
//! twice, and a key that says nothing to a listener's protocol is a problem.

use std::collections::BTreeSet;

use ringlet_base::config::values::{choice, name_of, number, text_as};
use ringlet_base::config::{self, Section, items};
use ringlet_limit::config::{domain, network};
use ringlet_limit::headers::HeaderStyle;
use ringlet_limit::model::ClientAddress;

use super::defaults;
use super::model::{Listener, Protocol};

/// Protocols by name.
pub const PROTOCOLS: [(&str, Protocol); 3] =
    [("http", Protocol::Http), ("grpc", Protocol::Grpc), ("resp", Protocol::Resp)];

/// Styles of headers by name.
pub const HEADER_STYLES: [(&str, HeaderStyle); 4] = [
    ("ietf", HeaderStyle::Ietf),
    ("x-ratelimit", HeaderStyle::XRateLimit),
    ("github", HeaderStyle::Github),
    ("none", HeaderStyle::None),
];

/// Keys with the protocols that they say something to.
const KEYS: [(&str, &[Protocol]); 6] = [
    ("domain", &[Protocol::Http]),
    ("headers", &[Protocol::Http]),
    ("deny_status", &[Protocol::Http]),
    ("client", &[Protocol::Http]),
    ("trusted_hops", &[Protocol::Http]),
    ("trusted_proxies", &[Protocol::Http]),
];

/// All listeners.
pub fn read_all(root: &Section<'_>) -> Vec<Listener> {
    let mut names = BTreeSet::new();
    let mut binds = BTreeSet::new();
    let mut listeners = Vec::new();
    for section in root.tables("listener") {
        let listener = read(&section);
        let again = listener.binds.iter().filter(|bind| !binds.insert((*bind).clone()));
        let again: Vec<&String> = again.collect();
        for bind in &again {
            section.wrong("bind", &format!("{bind} is bound twice"));
        }
        if again.is_empty() && !names.insert(listener.name.clone()) && !listener.name.is_empty() {
            section.wrong("name", &format!("another listener is called {} too", listener.name));
        }
        section.finish_with(|key| match key {
            "mode" => Some("did you mean `protocol`?".to_owned()),
            "address" | "listen" | "port" => Some("did you mean `bind`?".to_owned()),
            "status" => Some("did you mean `deny_status`?".to_owned()),
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

fn read(section: &Section<'_>) -> Listener {
    let protocol = section.get("protocol", text_as(|text| choice(text, &PROTOCOLS)));
    if !section.has("protocol") {
        section.missing("protocol");
    }
    let mut listener = defaults::listener(protocol.unwrap_or(Protocol::Http));
    match section.filled_list("bind", text_as(config::bind_address)) {
        Some(binds) => listener.binds = binds,
        None => section.missing("bind"),
    }
    listener.name = listener.binds.first().cloned().unwrap_or_default();
    section.set("name", &mut listener.name, text_as(config::name));
    section.set("domain", &mut listener.domain, text_as(|text| domain(text).map(Some)));
    section.set("headers", &mut listener.headers, text_as(|text| choice(text, &HEADER_STYLES)));
    listener.deny_status = section.get("deny_status", number(400, 599));
    listener.client = read_client(section);
    if let Some(protocol) = protocol {
        for (key, _) in KEYS.iter().filter(|(_, protocols)| !protocols.contains(&protocol)) {
            if section.has(key) {
                let name = name_of(&PROTOCOLS, &protocol);
                section.wrong(key, &format!("says nothing to protocol {name}"));
            }
        }
    }
    listener
}

/// `client = "peer"`, `trusted_hops = 1` or `trusted_proxies = ["10.0.0.0/8"]`.
fn read_client(section: &Section<'_>) -> ClientAddress {
    let given: Vec<&str> = ["client", "trusted_hops", "trusted_proxies"]
        .into_iter()
        .filter(|key| section.has(key))
        .collect();
    if given.len() > 1 {
        section.wrong(given[1], &format!("`{}` says already whom to believe", given[0]));
    }
    let mut client = ClientAddress::Peer;
    // The only word: who writes it says what holds anyway.
    section.get("client", text_as(|text| choice(text, &[("peer", ())])));
    if let Some(hops) = section.get("trusted_hops", number(1, u8::MAX)) {
        client = ClientAddress::TrustedHops(hops);
    }
    if let Some(networks) = section.filled_list("trusted_proxies", text_as(network)) {
        client = ClientAddress::TrustedProxies(networks);
    }
    client
}
