//! The balancer in the shape of the status page.
//!
//! Job: fill in listeners, pools and servers. In: a snapshot and what has happened. Out: a
//! [`Document`]. Invariant: reading costs the cores nothing.

use ringlet_runtime::admin::document::{Cell, Document, Fact, Level, Section, Unit, time_text};
use std::sync::atomic::Ordering::Relaxed;

use super::history::History;
use crate::balance::latency::{self, PeakEwma};
use crate::model::{AdminState, Mode};
use crate::snapshot::{PoolShared, Snapshot};
use crate::state::{Checked, ServerState};

/// What is known of the whole process.
pub struct ProcessFacts {
    /// Cores that it runs on.
    pub cores: usize,
    /// Client connections.
    pub connections: u32,
    /// Since the start, in seconds.
    pub uptime_s: i64,
    /// Share of the time of one core that it takes.
    pub cpu_percent: Cell,
    /// Physical memory.
    pub resident_bytes: Option<u64>,
    /// The monotonic clock.
    pub now_ms: i64,
    /// Whether the store of the rate limits answers; none without one.
    pub is_store_up: Option<bool>,
}

/// The document.
#[must_use]
pub fn document(snapshot: &Snapshot, history: &History, process: &ProcessFacts) -> Document {
    let resident = process.resident_bytes.map_or(Cell::Nothing, Cell::from);
    let mut sections = vec![
        pools(snapshot, history),
        servers(snapshot, history, process.now_ms),
        listeners(snapshot, history),
    ];
    if snapshot.rules.is_some() {
        sections.push(rate_limits(snapshot));
    }
    let mut facts = facts(snapshot, process, resident);
    if let Some(is_up) = process.is_store_up {
        let (text, level) = match is_up {
            true => ("up", Level::Good),
            false => ("does not answer", Level::Bad),
        };
        let cell = Cell::Status { text: text.to_owned(), level };
        facts.push(Fact::new("Store of the limits", Unit::Text, cell));
    }
    Document {
        product: "ringlet-lb".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        facts,
        sections,
    }
}

fn facts(snapshot: &Snapshot, process: &ProcessFacts, resident: Cell) -> Vec<Fact> {
    vec![
        Fact::new("Up for", Unit::Text, time_text(process.uptime_s).as_str()),
        Fact::new("Configuration", Unit::Count, snapshot.generation),
        Fact::new("Cores", Unit::Count, process.cores as u64),
        Fact::new("CPU", Unit::Percent, process.cpu_percent.clone()),
        Fact::new("Memory", Unit::Bytes, resident),
        Fact::new("Connections", Unit::Count, u64::from(process.connections)),
    ]
}

fn rate_limits(snapshot: &Snapshot) -> Section {
    let mut section = Section::new(
        "Rate limits",
        &[
            ("Rule", Unit::Text),
            ("Listener", Unit::Text),
            ("Allowed", Unit::Count),
            ("Denied", Unit::Count),
            ("Would deny", Unit::Count),
        ],
    );
    for listener in &snapshot.listeners {
        for limit in listener.limits.states() {
            section.rows.push(vec![
                limit.name.as_str().into(),
                listener.state.name.as_str().into(),
                limit.rows.sum(|row| row.allowed.get()).into(),
                limit.rows.sum(|row| row.denied.get()).into(),
                limit.rows.sum(|row| row.would_deny.get()).into(),
            ]);
        }
    }
    section
}

/// Pools that a configuration names: retired ones are kept in the snapshot without servers.
fn configured(snapshot: &Snapshot) -> impl Iterator<Item = &PoolShared> {
    snapshot.pools.iter().map(|pool| &**pool).filter(|pool| !pool.is_retired)
}

fn pools(snapshot: &Snapshot, history: &History) -> Section {
    let mut section = Section::new(
        "Pools",
        &[
            ("Pool", Unit::Text),
            ("Health", Unit::Text),
            ("Requests", Unit::PerSecond),
            ("Errors", Unit::PerSecond),
            ("Retries", Unit::PerSecond),
            ("p50", Unit::Microseconds),
            ("p90", Unit::Microseconds),
            ("p99", Unit::Microseconds),
            ("In flight", Unit::Count),
            ("Queue", Unit::Count),
            ("Reuse", Unit::Percent),
        ],
    );
    for pool in configured(snapshot) {
        let state = &pool.state;
        let past = history.pool(&state.name);
        let percentile = |at: usize| past.map_or(Cell::Nothing, |past| past.percentiles[at].cell());
        section.rows.push(vec![
            state.name.as_str().into(),
            pool_health(pool),
            past.map_or(Cell::Nothing, |past| past.requests.cell()),
            past.map_or(Cell::Nothing, |past| past.errors.cell()),
            past.map_or(Cell::Nothing, |past| past.retries.now()),
            number_of(percentile(0)),
            number_of(percentile(1)),
            percentile(2),
            state.rows.sum(|row| u64::from(row.in_flight.get())).into(),
            u64::from(state.queued.load(Relaxed)).into(),
            history.reuse_percent(&state.name),
        ]);
    }
    section
}

/// A series as its present number.
fn number_of(cell: Cell) -> Cell {
    match cell {
        Cell::Series { value, .. } => Cell::Number(value),
        other => other,
    }
}

fn pool_health(pool: &PoolShared) -> Cell {
    let all = pool.servers.len();
    let good = pool.servers.iter().filter(|server| server_level(server) == Level::Good).count();
    let text = format!("{good} of {all}");
    if pool.state.is_panicking.load(Relaxed) {
        return Cell::Status {
            text: format!("{text}, panic: health is ignored"),
            level: Level::Bad,
        };
    }
    let level = match good {
        0 => Level::Bad,
        good if good < all => Level::Warning,
        _ => Level::Good,
    };
    Cell::Status { text, level }
}

fn servers(snapshot: &Snapshot, history: &History, now_ms: i64) -> Section {
    let mut section = Section::new(
        "Servers",
        &[
            ("Server", Unit::Text),
            ("Pool", Unit::Text),
            ("Health", Unit::Text),
            ("Since", Unit::Text),
            ("Requests", Unit::PerSecond),
            ("Errors", Unit::PerSecond),
            ("Peak latency", Unit::Microseconds),
            ("In flight", Unit::Count),
            ("Idle", Unit::Count),
            ("Reuse", Unit::Percent),
            ("Weight", Unit::Count),
        ],
    );
    for server in configured(snapshot).flat_map(|pool| &pool.servers) {
        let past = history.server(&server.pool, &server.name);
        let changed_ms = server.changed_at_ms.load(Relaxed);
        let since = match changed_ms {
            i64::MIN => Cell::Nothing,
            at_ms => Cell::Text(time_text((now_ms - at_ms) / 1000)),
        };
        let latency_us = latency::merge(
            server.rows.iter().map(|row| {
                PeakEwma::from_words([row.latency[0].load(Relaxed), row.latency[1].load(Relaxed)])
            }),
            now_ms,
        );
        section.rows.push(vec![
            server.name.as_str().into(),
            server.pool.as_str().into(),
            Cell::Status { text: server_text(server), level: server_level(server) },
            since,
            past.map_or(Cell::Nothing, |past| past.requests.cell()),
            past.map_or(Cell::Nothing, |past| past.errors.cell()),
            if latency_us == 0 { Cell::Nothing } else { u64::from(latency_us).into() },
            server.rows.sum(|row| u64::from(row.in_flight.get())).into(),
            server.rows.sum(|row| u64::from(row.idle.get())).into(),
            past.map_or(Cell::Nothing, |past| past.reuse_percent()),
            u64::from(server.weight()).into(),
        ]);
    }
    section
}

fn listeners(snapshot: &Snapshot, history: &History) -> Section {
    let mut section = Section::new(
        "Listeners",
        &[
            ("Listener", Unit::Text),
            ("Address", Unit::Text),
            ("Mode", Unit::Text),
            ("Open", Unit::Count),
            ("New", Unit::PerSecond),
            ("Requests", Unit::PerSecond),
            ("Refused", Unit::Count),
            ("In", Unit::BytesPerSecond),
            ("Out", Unit::BytesPerSecond),
        ],
    );
    for listener in &snapshot.listeners {
        let rows = &listener.state.rows;
        let past = history.listener(&listener.state.name);
        let addresses: Vec<&str> =
            listener.sockets.iter().map(|sockets| sockets.address.as_str()).collect();
        let mode = match listener.config.mode {
            Mode::Http => "http",
            Mode::Tcp => "tcp",
        };
        section.rows.push(vec![
            listener.state.name.as_str().into(),
            Cell::Text(addresses.join(" ")),
            mode.into(),
            rows.sum(|row| u64::from(row.open.get())).into(),
            past.map_or(Cell::Nothing, |past| past.accepted.now()),
            past.map_or(Cell::Nothing, |past| past.requests.cell()),
            rows.sum(|row| row.bad_requests.get() + row.request_timeouts.get()).into(),
            past.map_or(Cell::Nothing, |past| past.bytes_in.now()),
            past.map_or(Cell::Nothing, |past| past.bytes_out.now()),
        ]);
    }
    section
}

/// What keeps a server from serving, the strongest first, and whether that is bad news.
fn server_trouble(server: &ServerState) -> (&'static str, Level) {
    match (server.admin(), server.checked()) {
        (AdminState::Maintenance, _) => ("maintenance", Level::Idle),
        _ if server.resolved_version() == 0 => ("its name has no address", Level::Bad),
        (_, Checked::Down) => ("down", Level::Bad),
        _ if server.is_ejected() => ("ejected", Level::Bad),
        (AdminState::Drain, _) => ("drain", Level::Idle),
        _ if server.weight() == 0 => ("weight 0", Level::Idle),
        (AdminState::Ready, Checked::Up) => ("up", Level::Good),
        (AdminState::Ready, Checked::Unknown) => ("up, unchecked", Level::Good),
    }
}

fn server_level(server: &ServerState) -> Level {
    server_trouble(server).1
}

fn server_text(server: &ServerState) -> String {
    let (text, level) = server_trouble(server);
    match server.reason() {
        reason if level == Level::Bad && !reason.is_empty() => format!("{text}: {reason}"),
        _ => text.to_owned(),
    }
}
