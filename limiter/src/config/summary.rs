//! What a configuration means, for a terminal.
//!
//! Job: the lines at the start, and all that holds for `ringlet-limiter check`. In: a configuration.
//! Out: text. Invariant: the same configuration gives the same text, and no password is in it; the
//! lines at the start do not grow with the number of rules beyond a bound.

use ringlet_base::config::units::write_time;
use ringlet_base::config::values::name_of;
use ringlet_limit::config::{StoreSettings, align, rules_table, several, write_network};
use ringlet_limit::model::ClientAddress;

use super::listener::{HEADER_STYLES, PROTOCOLS};
use super::model::{Configuration, Listener, LogTarget, Protocol};

/// Rules that are named at the start; of more only the number.
const NAMED_MAX: usize = 8;

/// What runs: cores, the admin page, listeners, the store, rules.
#[must_use]
pub fn summary(configuration: &Configuration, cores: usize, admin: Option<&str>) -> String {
    let on = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let admin = admin.map_or("no admin page".to_owned(), |admin| format!("admin http://{admin}/"));
    let mut lines = vec![format!("ringlet-limiter {} on {on}, {admin}", env!("CARGO_PKG_VERSION"))];
    for listener in &configuration.listeners {
        let protocol = name_of(&PROTOCOLS, &listener.protocol);
        lines.push(format!("listener {} ({protocol})", listener.binds.join(", ")));
    }
    lines.push(configuration.store.as_ref().map_or("no store".to_owned(), store_line));
    let rules = &configuration.rules.rules;
    let mut names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    names.truncate(NAMED_MAX);
    lines.push(match rules.len() {
        0 => "no rules: all is allowed but what CL.THROTTLE limits".to_owned(),
        many if many > NAMED_MAX => {
            format!("rules {} and {} more", names.join(", "), many - NAMED_MAX)
        }
        _ => format!("rules {}", names.join(", ")),
    });
    lines.join("\n")
}

fn store_line(store: &StoreSettings) -> String {
    let kind = if store.is_cluster { "cluster" } else { "store" };
    format!("{kind} {}", store.addresses.join(", "))
}

/// All that holds, defaults too.
#[must_use]
pub fn effective(configuration: &Configuration) -> String {
    let Configuration { global, store, rules, listeners } = configuration;
    let cores = if global.cores == 0 { "all".to_owned() } else { global.cores.to_string() };
    let audit_log = match &global.audit_log {
        LogTarget::Off => "off".to_owned(),
        LogTarget::StandardOutput => "stdout".to_owned(),
        LogTarget::File(path) => path.display().to_string(),
    };
    let mut text = format!(
        "cores {cores}, keys {}, connections {}, drain {}, admin {}, audit log {audit_log}\n",
        global.keys_max,
        global.connections_max,
        write_time(global.drain_timeout_ms),
        global.admin.as_deref().unwrap_or("off"),
    );
    text.push_str(
        &store.as_ref().map_or("no store: this node decides alone".to_owned(), store_text),
    );
    text.push_str("\n\n");
    let titles = ["LISTENER", "PROTOCOL", "ADDRESSES", "DOMAIN", "HEADERS", "DENIES", "CLIENT"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(listeners.iter().map(listener_row));
    text.push_str(&align(&rows));
    text.push('\n');
    for (name, networks) in [("allow", &rules.lists.allow), ("deny", &rules.lists.deny)] {
        if !networks.is_empty() {
            let networks: Vec<String> = networks.iter().map(write_network).collect();
            text.push_str(&format!("{name} {}\n\n", networks.join(", ")));
        }
    }
    text.push_str(&rules_table(rules, store.as_ref()));
    text
}

fn store_text(store: &StoreSettings) -> String {
    let user = match (&store.username, &store.password) {
        (Some(username), _) => format!(" as {}", username.escape_debug()),
        (None, Some(_)) => " with a password".to_owned(),
        (None, None) => String::new(),
    };
    format!(
        "{}{user}, keys {}:*, timeout {}, at least {}, leases of up to {} % for {}",
        store_line(store),
        store.prefix,
        write_time(store.timeout_ms),
        several(store.nodes, "node"),
        store.lease_percent,
        write_time(store.renewal_ms),
    )
}

fn listener_row(listener: &Listener) -> Vec<String> {
    let is_http = listener.protocol == Protocol::Http;
    let nothing = || "-".to_owned();
    let client = match &listener.client {
        _ if !is_http => nothing(),
        ClientAddress::Peer => "peer".to_owned(),
        ClientAddress::TrustedHops(hops) => format!("hop {hops} from the right"),
        ClientAddress::TrustedProxies(networks) => {
            let networks: Vec<String> = networks.iter().map(write_network).collect();
            format!("behind {}", networks.join(", "))
        }
    };
    vec![
        listener.name.clone(),
        name_of(&PROTOCOLS, &listener.protocol).to_owned(),
        listener.binds.join(", "),
        listener.domain.clone().unwrap_or_else(nothing),
        name_of(&HEADER_STYLES, &listener.headers).to_owned(),
        listener.deny_status.map_or_else(nothing, |status| status.to_string()),
        client,
    ]
}
