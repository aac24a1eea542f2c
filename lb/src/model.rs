//! The configuration as the balancer uses it: checked, resolved, with every default filled in.
//!
//! Job: the vocabulary between the configuration file and all that runs. In: [`crate::config`] makes
//! it. Out: read by everybody, changed by nobody; a reload makes a new one.
//! Invariant: every index in it names something, every time is finite and above 0.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use ringlet_limit::config::StoreSettings;
use ringlet_limit::headers::HeaderStyle;
use ringlet_limit::model::Rules;
pub use ringlet_runtime::log::LogTarget;

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// What concerns the process.
    pub global: Global,
    /// Where clients come in.
    pub listeners: Vec<Listener>,
    /// Where requests go.
    pub pools: Vec<Pool>,
    /// What listeners and routes may hold requests against.
    pub rate_limits: RateLimits,
}

/// The rate limiter inside of the balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimits {
    /// Keys that are remembered, by all cores together.
    pub keys_max: u64,
    /// What is shared with other limiters; none: this process counts alone.
    pub store: Option<StoreSettings>,
    /// The rules, and who is held against none.
    pub rules: Rules,
}

/// What concerns the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// Number of cores; 0 for as many as the machine gives this process.
    pub cores: usize,
    /// `HOST:PORT` of the admin listener.
    pub admin: Option<String>,
    /// Client connections at a time, over all cores.
    pub connections_max: u32,
    /// How long connections may go on after SIGTERM.
    pub drain_timeout_ms: u32,
    /// Where access logs go.
    pub log: LogTarget,
}

/// How an access log line looks.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The Common Log Format.
    Common,
    /// The same with referrer and user agent.
    Combined,
    /// One JSON object per line.
    Json,
}

/// What a listener or pool speaks.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// HTTP/1.1 and HTTP/1.0.
    Http,
    /// Bytes.
    Tcp,
}

/// How long things may take, in milliseconds. HAProxy's `timeout` directives of these names.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect to a server.
    pub connect_ms: u32,
    /// Silence of a client that should send or read.
    pub client_ms: u32,
    /// Silence of a server that should answer, send or read.
    pub server_ms: u32,
    /// From the first byte of a request to the end of its head.
    pub request_ms: u32,
    /// Between two requests of a connection.
    pub keepalive_ms: u32,
    /// In the queue for a server.
    pub queue_ms: u32,
    /// Silence of an upgraded connection or of a TCP one that is half closed or not.
    pub tunnel_ms: u32,
}

/// Where clients come in.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its name in logs, metrics and the admin page.
    pub name: String,
    /// `HOST:PORT`, or `unix:PATH`.
    pub binds: Vec<String>,
    /// What it speaks.
    pub mode: Mode,
    /// Of the client side: `client_ms`, `request_ms`, `keepalive_ms`.
    pub timeouts: Timeouts,
    /// Connections at a time over all cores; further ones wait in the kernel's backlog.
    pub connections_max: u32,
    /// Bytes of a request's head; above it 431 (or 414 for the line alone).
    pub head_bytes_max: u32,
    /// Header fields of a request; above it 431.
    pub fields_max: u16,
    /// Every connection begins with a PROXY protocol header, version 1 or 2.
    pub accepts_proxy: bool,
    /// Peers whose PROXY header, X-Forwarded-* and Forwarded are believed. Empty trusts nobody for
    /// header fields; with `accepts_proxy` and an empty list every peer may send a PROXY header.
    pub trusted: Vec<IpNet>,
    /// What is told to servers about the client.
    pub forwarding: Forwarding,
    /// Tried in order.
    pub routes: Vec<Route>,
    /// When no route matches; without it such requests get 404 (TCP: are closed).
    pub default_pool: Option<usize>,
    /// Changes of requests, before those of the route.
    pub request_rewrites: Vec<Rewrite>,
    /// Changes of responses, after those of the route.
    pub response_rewrites: Vec<Rewrite>,
    /// Bodies (HTML) in the place of our own error pages, by status.
    pub error_pages: BTreeMap<u16, Arc<[u8]>>,
    /// How its requests are logged, if they are.
    pub log: Option<LogFormat>,
    /// Rules that all its requests (TCP: connections) are held against, by index.
    pub rate_limits: Vec<usize>,
    /// How its clients are told of limits.
    pub rate_limit_headers: HeaderStyle,
    /// The status of denials; none: as the reason has it.
    pub rate_limit_status: Option<u16>,
}

/// What is told to servers about the client.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// X-Forwarded-For, -Proto and -Host.
    pub x_forwarded: bool,
    /// Forwarded (RFC 7239).
    pub forwarded: bool,
    /// Via (RFC 9110 section 7.6.3), in both directions.
    pub via: bool,
    /// X-Request-Id: kept from trusted peers, else made.
    pub request_id: bool,
}

/// Where some of a listener's requests go. All parts that are given must match.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Any of these; empty for all.
    pub hosts: Vec<HostPattern>,
    /// The path.
    pub path: PathPattern,
    /// Any of these; empty for all.
    pub methods: Vec<String>,
    /// All of these.
    pub headers: Vec<HeaderPattern>,
    /// Index of the pool.
    pub pool: usize,
    /// Rules that its requests are held against beside those of the listener, by index.
    pub rate_limits: Vec<usize>,
    /// Changes of requests.
    pub request_rewrites: Vec<Rewrite>,
    /// Changes of responses.
    pub response_rewrites: Vec<Rewrite>,
}

/// A host name to match, in lower case, without port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// `*.example.com`: any name below; holds `.example.com`.
    Below(String),
}

/// A path to match, after percent-decoding of unreserved characters and removal of dot segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// Any.
    Any,
    /// `/v1/` matches all below it, `/v1` also itself and all below `/v1/`, but not `/v10`.
    Prefix(String),
    /// Exactly this one.
    Exact(String),
    /// `/users/{id}/orders`: each braced segment matches one segment that is not empty; a last
    /// `{rest...}` matches all that is left.
    Template(Vec<Segment>),
}

/// One segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// One segment.
    Any,
    /// Everything that is left, also nothing.
    Rest,
}

/// A header field to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderPattern {
    /// Its name in lower case.
    pub name: String,
    /// What its value must be.
    pub value: ValuePattern,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValuePattern {
    /// Anything, but it must be there.
    Present,
    /// Exactly this.
    Exact(String),
    /// It begins so.
    Prefix(String),
}

/// A change of header fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// In the place of all of this name.
    Set(String, String),
    /// Beside those of this name.
    Add(String, String),
    /// All of this name go.
    Remove(String),
}

/// Servers that do the same work.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// What its servers speak.
    pub mode: Mode,
    /// How servers are chosen.
    pub balance: Balance,
    /// Its servers.
    pub servers: Vec<Server>,
    /// Of the server side: `connect_ms`, `server_ms`, `queue_ms`, `tunnel_ms`.
    pub timeouts: Timeouts,
    /// Active checks.
    pub check: Option<Check>,
    /// Ejection by what requests meet.
    pub ejection: Option<Ejection>,
    /// Below this share of usable servers health is ignored; 0 for never.
    pub panic_percent: u8,
    /// Second tries.
    pub retry: Retry,
    /// Requests that wait for a server at a time, over all cores; more get 503. 0 for no queue.
    pub queue_max: u32,
    /// Requests in flight at a time, over all cores; more get 503. 0 for no limit.
    pub requests_max: u32,
    /// A cookie that keeps a client with its server.
    pub sticky: Option<Sticky>,
    /// How long a server that has come back gets less than its weight; 0 for not at all.
    pub slow_start_ms: u32,
    /// Connections that wait for their next request.
    pub idle: IdleLimits,
    /// A PROXY protocol header at the start of every connection to a server.
    pub sends_proxy: Option<ProxyVersion>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, by default its address.
    pub name: String,
    /// `HOST:PORT`, or `unix:PATH`.
    pub address: String,
    /// 0 to 256; 0 gets nothing but what sticks to it.
    pub weight: u16,
    /// Servers of a higher number serve only when none of the lower ones can; backup is 1.
    pub priority: u8,
    /// Requests (TCP: connections) at a time over all cores; 0 for no limit.
    pub requests_max: u32,
    /// Whether it is checked, if the pool has a check.
    pub checked: bool,
    /// Its value of the pool's sticky cookie.
    pub cookie: String,
    /// What it starts as.
    pub state: AdminState,
}

/// What an administrator wants of a server.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum AdminState {
    /// It serves.
    Ready,
    /// It gets nothing new, but what sticks to it.
    Drain,
    /// It gets nothing, and is not checked.
    Maintenance,
}

/// How servers are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    /// A name from the table of algorithms.
    pub algorithm: &'static str,
    /// What is hashed, for those that hash.
    pub key: HashKey,
    /// Servers looked at, for `p2c`, `random` and `peak-ewma`; 2 by default.
    pub choices: u8,
    /// Percent of the mean load that a hashed server may have, 0 for any; 125 to 200 make sense.
    pub load_factor_percent: u16,
}

/// What is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The address of the client.
    Source,
    /// A header field; without it, the source.
    Header(String),
    /// A cookie; without it, the source.
    Cookie(String),
    /// The path, without the query.
    Path,
    /// The path with the query.
    Uri,
}

/// An active check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// What is asked.
    pub kind: CheckKind,
    /// From check to check.
    pub interval_ms: u32,
    /// The same while a change of state is likely: after the first result that differs.
    pub fast_interval_ms: u32,
    /// The same while the server is down.
    pub down_interval_ms: u32,
    /// For the whole check.
    pub timeout_ms: u32,
    /// Good results until a server is up.
    pub rise: u8,
    /// Bad results until it is down.
    pub fall: u8,
    /// Percent by which intervals vary at random, up and down.
    pub jitter_percent: u8,
    /// In the place of the server's port.
    pub port: Option<u16>,
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// A connection.
    Tcp,
    /// A response.
    Http {
        /// GET, HEAD or OPTIONS.
        method: String,
        /// The request target.
        path: String,
        /// The Host field; by default the address.
        host: Option<String>,
        /// Statuses from and to that are good; 200 to 399 by default.
        status: Vec<(u16, u16)>,
        /// What the body must contain, in its first 64 KiB.
        body: Option<String>,
    },
    /// `+PONG` for PING, after AUTH if there is a password.
    Resp {
        /// For AUTH.
        password: Option<String>,
    },
}

/// Ejection by what requests meet (passive checks), Envoy's outlier detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// 5xx responses, resets, timeouts and refused connections in a row that eject; 0 for never.
    pub consecutive_failures: u32,
    /// How often success rates are looked at.
    pub interval_ms: u32,
    /// The first ejection lasts so long; the n-th in a row 2^(n-1) times as long.
    pub base_ms: u32,
    /// But never longer.
    pub max_ms: u32,
    /// No more than this share of a pool is ejected, but always at least one may be.
    pub max_percent: u8,
    /// Requests in an interval that make a success rate meaningful; 0 switches success rates off.
    pub success_requests_min: u32,
    /// Servers with so many requests that make a comparison meaningful.
    pub success_hosts_min: u32,
    /// Thousandths of a standard deviation below the mean that eject; 1900 by default.
    pub success_deviation_thousandths: u32,
}

/// Second tries.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Tries after the first.
    pub attempts: u8,
    /// Retries in flight, in percent of the requests in flight...
    pub budget_percent: u8,
    /// ...but so many always may be.
    pub budget_min: u32,
}

/// A cookie that keeps a client with its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// The name of the cookie.
    pub cookie: String,
    /// Its Max-Age in seconds; 0 for a session cookie.
    pub max_age_s: u32,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `Secure`.
    pub secure: bool,
}

/// Connections that wait for their next request.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct IdleLimits {
    /// For each server, over all cores; 0 closes every connection after its request.
    pub connections_max: u32,
    /// How long one may wait.
    pub timeout_ms: u32,
    /// How old one may become.
    pub lifetime_ms: u32,
    /// Requests that one may serve; 0 for any number.
    pub requests_max: u32,
}

/// Version of the PROXY protocol.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}

impl Listener {
    /// Whether what a peer says about the client is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&peer))
    }
}
