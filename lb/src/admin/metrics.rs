//! `/metrics`: the balancer in the words of HAProxy's exporter, so that its dashboards work.
//!
//! Job: write counters as Prometheus text. In: a snapshot. Out: the text. Invariant: reading costs the
//! cores nothing; a counter never falls, also when servers come and go.
//!
//! In HAProxy's words `in` is towards the server and `out` towards the client; in ours a server's
//! `bytes_in` is what came from it. What HAProxy does not know begins with `ringlet_lb_`.

use std::sync::atomic::Ordering::Relaxed;

use ringlet_base::prometheus::{Exposition, Label, Value};

use super::document::ProcessFacts;
use crate::model::{AdminState, Mode};
use crate::rate_limit::LimitRow;
use crate::snapshot::{ListenerShared, PoolShared, Snapshot};
use crate::state::{Checked, ServerState};
use crate::totals::ServerTotals;

/// Bounds of the histogram of durations, in microseconds and in seconds.
const BOUNDS_US: [u64; 14] = [
    250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];
const BOUNDS_S: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Names of the classes of responses, by the first digit of the status.
const CLASSES: [(&str, usize); 6] =
    [("1xx", 1), ("2xx", 2), ("3xx", 3), ("4xx", 4), ("5xx", 5), ("other", 0)];

/// One server with its sums.
struct Server<'a> {
    state: &'a ServerState,
    config: &'a crate::model::Server,
    totals: ServerTotals,
}

/// One pool with its sums over servers, former ones too.
struct Pool<'a> {
    shared: &'a PoolShared,
    servers: Vec<Server<'a>>,
    totals: ServerTotals,
}

impl<'a> Pool<'a> {
    fn of(shared: &'a PoolShared) -> Self {
        let servers = shared.servers.iter().zip(&shared.config.servers);
        let servers: Vec<_> = servers
            .map(|(state, config)| Server { state, config, totals: ServerTotals::of(state) })
            .collect();
        let mut totals = shared.state.former();
        servers.iter().for_each(|server| totals.add(&server.totals));
        Self { shared, servers, totals }
    }

    fn usable(&self, priority: impl Fn(u8) -> bool) -> u64 {
        let usable =
            |server: &&Server<'_>| status(server.state) == "UP" && priority(server.config.priority);
        self.servers.iter().filter(usable).count() as u64
    }
}

/// The page.
#[must_use]
pub fn page(snapshot: &Snapshot, process: &ProcessFacts) -> String {
    let mut page = Exposition::new();
    let pools: Vec<Pool<'_>> =
        snapshot.pools.iter().filter(|pool| !pool.is_retired).map(|pool| Pool::of(pool)).collect();
    write_process(&mut page, snapshot, process);
    write_listeners(&mut page, &snapshot.listeners);
    write_pools(&mut page, &pools);
    write_servers(&mut page, &pools);
    write_own(&mut page, snapshot, &pools, process.cores);
    write_limits(&mut page, snapshot, process);
    page.finish()
}

fn write_process(page: &mut Exposition, snapshot: &Snapshot, process: &ProcessFacts) {
    page.gauge("haproxy_process_nbthread", "Cores.").sample(&[], process.cores as u64);
    page.gauge("haproxy_process_uptime_seconds", "Time since the start.")
        .sample(&[], process.uptime_s);
    page.gauge("haproxy_process_max_connections", "Client connections at a time.")
        .sample(&[], u64::from(snapshot.global.connections_max));
    page.gauge("haproxy_process_current_connections", "Client connections.")
        .sample(&[], u64::from(process.connections));
    page.gauge("ringlet_lb_configuration_generation", "Changes of the configuration.")
        .sample(&[], snapshot.generation);
    if let Some(bytes) = process.resident_bytes {
        page.gauge("ringlet_lb_resident_bytes", "Physical memory.").sample(&[], bytes);
    }
}

type OfListener = fn(&ListenerShared) -> u64;

const LISTENER_GAUGES: [(&str, &str, OfListener); 2] = [
    ("haproxy_frontend_current_sessions", "Client connections.", |one| {
        one.state.rows.sum(|row| u64::from(row.open.get()))
    }),
    ("haproxy_frontend_limit_sessions", "Client connections at a time.", |one| {
        u64::from(one.config.connections_max)
    }),
];

const LISTENER_COUNTERS: [(&str, &str, OfListener); 9] = [
    ("haproxy_frontend_sessions_total", "Client connections accepted.", |one| {
        one.state.rows.sum(|row| row.accepted.get())
    }),
    ("haproxy_frontend_connections_total", "Client connections accepted.", |one| {
        one.state.rows.sum(|row| row.accepted.get())
    }),
    ("haproxy_frontend_bytes_in_total", "Bytes received from clients.", |one| {
        one.state.rows.sum(|row| row.bytes_in.get())
    }),
    ("haproxy_frontend_bytes_out_total", "Bytes sent to clients.", |one| {
        one.state.rows.sum(|row| row.bytes_out.get())
    }),
    ("haproxy_frontend_request_errors_total", "Requests that were malformed or late.", |one| {
        one.state.rows.sum(|row| row.bad_requests.get() + row.request_timeouts.get())
    }),
    ("haproxy_frontend_requests_denied_total", "Requests refused by rate limits.", |one| match one
        .config
        .mode
    {
        Mode::Http => one.state.rows.sum(|row| row.denied.get()),
        Mode::Tcp => 0,
    }),
    ("haproxy_frontend_denied_connections_total", "Connections refused by rate limits.", |one| {
        match one.config.mode {
            Mode::Http => 0,
            Mode::Tcp => one.state.rows.sum(|row| row.denied.get()),
        }
    }),
    ("haproxy_frontend_http_requests_total", "Requests.", |one| match one.config.mode {
        Mode::Http => one.state.rows.sum(|row| row.requests.get()),
        Mode::Tcp => 0,
    }),
    ("ringlet_lb_log_lines_lost_total", "Access log lines that found the queue full.", |one| {
        one.state.rows.sum(|row| row.log_lost.get())
    }),
];

fn write_listeners(page: &mut Exposition, listeners: &[std::sync::Arc<ListenerShared>]) {
    let mut family = page.gauge("haproxy_frontend_status", "Whether it is open.");
    for one in listeners {
        states(&mut family, &[("proxy", &one.state.name)], &["DOWN", "UP"], "UP");
    }
    for (name, help, of) in LISTENER_GAUGES {
        let mut family = page.gauge(name, help);
        for one in listeners {
            family.sample(&[("proxy", &one.state.name)], of(one));
        }
    }
    for (name, help, of) in LISTENER_COUNTERS {
        let mut family = page.counter(name, help);
        for one in listeners {
            family.sample(&[("proxy", &one.state.name)], of(one));
        }
    }
    let mut family = page.counter("haproxy_frontend_http_responses_total", "Responses.");
    for one in listeners {
        let labels = [("proxy", one.state.name.as_str())];
        let count = |class: usize| one.state.rows.sum(|row| row.responses[class].get());
        responses(&mut family, &labels, count);
    }
}

type OfPool = fn(&Pool<'_>) -> u64;

const POOL_GAUGES: [(&str, &str, OfPool); 5] = [
    ("haproxy_backend_current_sessions", "Requests in flight, also waiting ones.", |pool| {
        pool.shared.state.rows.sum(|row| u64::from(row.in_flight.get()))
    }),
    ("haproxy_backend_current_queue", "Requests that wait for a server.", |pool| {
        u64::from(pool.shared.state.queued.load(Relaxed))
    }),
    ("haproxy_backend_active_servers", "Servers that are up.", |pool| pool.usable(|of| of == 0)),
    ("haproxy_backend_backup_servers", "Backup servers that are up.", |pool| {
        pool.usable(|of| of > 0)
    }),
    ("ringlet_lb_pool_panic", "Health is ignored, for too few servers are up.", |pool| {
        u64::from(pool.shared.state.is_panicking.load(Relaxed))
    }),
];

const POOL_COUNTERS: [(&str, &str, OfPool); 16] = [
    ("haproxy_backend_sessions_total", "Requests (TCP: connections).", |pool| {
        pool.shared.state.rows.sum(|row| row.requests.get())
    }),
    ("haproxy_backend_http_requests_total", "Requests.", |pool| match pool.shared.config.mode {
        Mode::Http => pool.shared.state.rows.sum(|row| row.requests.get()),
        Mode::Tcp => 0,
    }),
    ("haproxy_backend_bytes_in_total", "Bytes sent to servers.", |pool| pool.totals.bytes_out),
    ("haproxy_backend_bytes_out_total", "Bytes received from servers.", |pool| {
        pool.totals.bytes_in
    }),
    ("haproxy_backend_connection_attempts_total", "Connections begun.", |pool| {
        pool.totals.connects
    }),
    ("haproxy_backend_connection_reuses_total", "Requests on a used connection.", |pool| {
        pool.totals.reused
    }),
    ("haproxy_backend_connection_errors_total", "Connections not made.", |pool| {
        pool.totals.connect_failures
    }),
    ("haproxy_backend_response_errors_total", "Resets, timeouts and malformed answers.", |pool| {
        pool.totals.response_failures
    }),
    ("haproxy_backend_retry_warnings_total", "Second tries.", |pool| {
        pool.shared.state.rows.sum(|row| row.retries.get())
    }),
    ("haproxy_backend_client_aborts_total", "Clients gone before the end.", |pool| {
        pool.totals.client_aborts
    }),
    ("haproxy_backend_check_up_down_total", "Times that a server was found down.", |pool| {
        pool.totals.downs
    }),
    ("ringlet_lb_retries_refused_total", "Second tries above the budget.", |pool| {
        pool.shared.state.rows.sum(|row| row.retries_refused.get())
    }),
    ("ringlet_lb_queued_total", "Requests that had to wait.", |pool| {
        pool.shared.state.rows.sum(|row| row.queued.get())
    }),
    ("ringlet_lb_queue_timeouts_total", "Requests that waited in vain.", |pool| {
        pool.shared.state.rows.sum(|row| row.queue_timeouts.get())
    }),
    ("ringlet_lb_queue_overflows_total", "Requests that found the queue full.", |pool| {
        pool.shared.state.rows.sum(|row| row.queue_overflows.get())
    }),
    ("ringlet_lb_no_server_total", "Requests for which no server was usable.", |pool| {
        pool.shared.state.rows.sum(|row| row.no_server.get())
    }),
];

fn write_pools(page: &mut Exposition, pools: &[Pool<'_>]) {
    let mut family = page.gauge("haproxy_backend_status", "Whether a server is up.");
    for pool in pools {
        let present = if pool.usable(|_| true) > 0 { "UP" } else { "DOWN" };
        states(&mut family, &[("proxy", &pool.shared.state.name)], &["DOWN", "UP"], present);
    }
    for (name, help, of) in POOL_GAUGES {
        let mut family = page.gauge(name, help);
        for pool in pools {
            family.sample(&[("proxy", &pool.shared.state.name)], of(pool));
        }
    }
    for (name, help, of) in POOL_COUNTERS {
        let mut family = page.counter(name, help);
        for pool in pools {
            family.sample(&[("proxy", &pool.shared.state.name)], of(pool));
        }
    }
    let mut family = page.counter("haproxy_backend_http_responses_total", "Responses.");
    for pool in pools {
        let labels = [("proxy", pool.shared.state.name.as_str())];
        let count = |class: usize| pool.shared.state.rows.sum(|row| row.responses[class].get());
        responses(&mut family, &labels, count);
    }
}

type OfServer = fn(&Server<'_>) -> u64;

const SERVER_GAUGES: [(&str, &str, OfServer); 6] = [
    ("haproxy_server_current_sessions", "Requests in flight.", |server| {
        server.state.rows.sum(|row| u64::from(row.in_flight.get()))
    }),
    ("haproxy_server_limit_sessions", "Requests at a time; 0 for any number.", |server| {
        u64::from(server.config.requests_max)
    }),
    ("haproxy_server_weight", "Weight.", |server| u64::from(server.state.weight())),
    ("haproxy_server_idle_connections_current", "Connections that wait.", |server| {
        server.state.rows.sum(|row| u64::from(row.idle.get()))
    }),
    ("haproxy_server_used_connections_current", "Connections in use.", |server| {
        let of_row = |row: &crate::state::ServerRow| (row.open.get(), row.idle.get());
        server.state.rows.sum(|row| {
            let (open, idle) = of_row(row);
            u64::from(open.saturating_sub(idle))
        })
    }),
    ("ringlet_lb_server_ejected", "Ejected for what requests met.", |server| {
        u64::from(server.state.is_ejected())
    }),
];

const SERVER_COUNTERS: [(&str, &str, OfServer); 12] = [
    ("haproxy_server_sessions_total", "Requests (TCP: connections).", |one| one.totals.requests),
    ("haproxy_server_bytes_in_total", "Bytes sent to it.", |one| one.totals.bytes_out),
    ("haproxy_server_bytes_out_total", "Bytes received from it.", |one| one.totals.bytes_in),
    ("haproxy_server_connection_attempts_total", "Connections begun.", |one| one.totals.connects),
    ("haproxy_server_connection_reuses_total", "Requests on a used connection.", |one| {
        one.totals.reused
    }),
    ("haproxy_server_connection_errors_total", "Connections not made.", |one| {
        one.totals.connect_failures
    }),
    ("haproxy_server_response_errors_total", "Resets, timeouts and malformed answers.", |one| {
        one.totals.response_failures
    }),
    ("haproxy_server_retry_warnings_total", "Second tries from it.", |one| one.totals.retries),
    ("haproxy_server_client_aborts_total", "Clients gone before the end.", |one| {
        one.totals.client_aborts
    }),
    ("haproxy_server_check_up_down_total", "Times that it was found down.", |one| one.totals.downs),
    ("ringlet_lb_server_ejections_total", "Times that it was ejected.", |one| one.totals.ejections),
    ("ringlet_lb_server_borrowed_total", "Idle connections taken from another core.", |one| {
        one.totals.borrowed
    }),
];

fn write_servers(page: &mut Exposition, pools: &[Pool<'_>]) {
    let servers: Vec<&Server<'_>> = pools.iter().flat_map(|pool| &pool.servers).collect();
    let mut family = page.gauge("haproxy_server_status", "What it is.");
    for server in &servers {
        let all = ["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];
        states(&mut family, &labels_of(server), &all, status(server.state));
    }
    for (name, help, of) in SERVER_GAUGES {
        let mut family = page.gauge(name, help);
        for server in &servers {
            family.sample(&labels_of(server), of(server));
        }
    }
    for (name, help, of) in SERVER_COUNTERS {
        let mut family = page.counter(name, help);
        for server in &servers {
            family.sample(&labels_of(server), of(server));
        }
    }
    let mut family = page.counter("haproxy_server_http_responses_total", "Responses.");
    for server in &servers {
        responses(&mut family, &labels_of(server), |class| server.totals.responses[class]);
    }
}

fn write_own(page: &mut Exposition, snapshot: &Snapshot, pools: &[Pool<'_>], cores: usize) {
    let mut family = page.gauge("ringlet_lb_core_connections", "Client connections of a core.");
    for core in 0..cores {
        let of_core = |one: &std::sync::Arc<ListenerShared>| one.state.rows.of(core).open.get();
        let open: u64 = snapshot.listeners.iter().map(of_core).map(u64::from).sum();
        family.sample(&[("core", &core.to_string())], open);
    }
    let mut family =
        page.counter("ringlet_lb_core_requests_total", "Requests (TCP: connections) of a core.");
    for core in 0..cores {
        let of_core = |one: &std::sync::Arc<ListenerShared>| one.state.rows.of(core).requests.get();
        let requests: u64 = snapshot.listeners.iter().map(of_core).sum();
        family.sample(&[("core", &core.to_string())], requests);
    }
    let mut family = page.histogram(
        "ringlet_lb_request_duration_seconds",
        "From the end of a request's head to the end of its response (TCP: of connections).",
        &BOUNDS_S,
    );
    for pool in pools {
        let durations = pool.shared.state.rows.iter().map(|row| &row.durations);
        let all = crate::counters::DurationCounts::of(durations);
        let mut below = 0;
        let mut counts = Vec::with_capacity(BOUNDS_US.len() + 1);
        for up_to in all.cumulative(&BOUNDS_US) {
            counts.push(up_to - below);
            below = up_to;
        }
        counts.push(all.count() - below);
        let labels = [("proxy", pool.shared.state.name.as_str())];
        family.sample(&labels, &counts, all.sum_us as f64 / 1e6);
    }
}

type OfLimit = fn(&LimitRow) -> u64;

/// What a rule has said, by name.
const VERDICTS: [(&str, OfLimit); 3] = [
    ("allowed", |row| row.allowed.get()),
    ("denied", |row| row.denied.get()),
    ("would_deny", |row| row.would_deny.get()),
];

fn write_limits(page: &mut Exposition, snapshot: &Snapshot, process: &ProcessFacts) {
    if snapshot.rules.is_none() {
        return;
    }
    let mut family = page.counter("ringlet_lb_rate_limit_total", "What rate limits have said.");
    for listener in &snapshot.listeners {
        for limit in listener.limits.states() {
            for (verdict, of) in VERDICTS {
                let proxy = ("proxy", listener.state.name.as_str());
                let labels = [proxy, ("rule", &limit.name), ("verdict", verdict)];
                family.sample(&labels, limit.rows.sum(of));
            }
        }
    }
    if let Some(is_up) = process.is_store_up {
        page.gauge("ringlet_lb_rate_limit_store_up", "Whether the rate limits' store answers.")
            .sample(&[], u64::from(is_up));
    }
}

type Family<'a> = ringlet_base::prometheus::Family<'a>;

fn labels_of<'a>(server: &'a Server<'_>) -> [Label<'a>; 2] {
    [("proxy", &server.state.pool), ("server", &server.state.name)]
}

/// One series for each state; that of the present one is 1.
fn states(family: &mut Family<'_>, labels: &[Label<'_>], all: &[&str], present: &str) {
    for state in all {
        let labels: Vec<Label<'_>> = labels.iter().copied().chain([("state", *state)]).collect();
        family.sample(&labels, Value::Count(u64::from(*state == present)));
    }
}

fn responses(family: &mut Family<'_>, labels: &[Label<'_>], count: impl Fn(usize) -> u64) {
    for (code, class) in CLASSES {
        let labels: Vec<Label<'_>> = labels.iter().copied().chain([("code", code)]).collect();
        family.sample(&labels, count(class));
    }
}

/// A server's state in HAProxy's words.
fn status(server: &ServerState) -> &'static str {
    match server.admin() {
        AdminState::Maintenance => "MAINT",
        _ if server.checked() == Checked::Down || server.is_ejected() => "DOWN",
        _ if server.resolved_version() == 0 => "DOWN",
        AdminState::Drain => "DRAIN",
        AdminState::Ready if server.weight() == 0 => "DRAIN",
        AdminState::Ready => "UP",
    }
}
