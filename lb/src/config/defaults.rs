//! What holds when a configuration does not say otherwise.
//!
//! Job: the built-in defaults, once. In: nothing. Out: values of the model. Invariant: every time
//! is finite, so that a peer that falls silent costs a bounded time.

use std::collections::BTreeMap;

use ringlet_limit::headers::HeaderStyle;
use ringlet_limit::model::Rules;

use crate::balance::ALGORITHM_DEFAULT;
use crate::model::{
    Balance, Ejection, Forwarding, Global, HashKey, IdleLimits, Listener, LogTarget, Mode, Pool,
    RateLimits, Retry, Timeouts,
};

/// HAProxy's customary times; a tunnel may be silent for long.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect_ms: 4_000,
    client_ms: 30_000,
    server_ms: 30_000,
    request_ms: 10_000,
    keepalive_ms: 60_000,
    queue_ms: 4_000,
    tunnel_ms: 3_600_000,
};

/// HTTP listeners tell servers what every application asks for; the rest is by request.
pub const FORWARDING: Forwarding =
    Forwarding { x_forwarded: true, forwarded: false, via: false, request_id: false };

/// What a listener for TCP tells.
pub const FORWARDING_NONE: Forwarding =
    Forwarding { x_forwarded: false, forwarded: false, via: false, request_id: false };

/// Envoy's outlier detection with half of a pool in the place of a tenth.
pub const EJECTION: Ejection = Ejection {
    consecutive_failures: 5,
    interval_ms: 10_000,
    base_ms: 30_000,
    max_ms: 300_000,
    max_percent: 50,
    success_requests_min: 100,
    success_hosts_min: 5,
    success_deviation_thousandths: 1900,
};

/// From check to check.
pub const CHECK_INTERVAL_MS: u32 = 2_000;
/// Good results until a server is up.
pub const CHECK_RISE: u8 = 2;
/// Bad results until it is down.
pub const CHECK_FALL: u8 = 3;
/// Percent by which intervals vary.
pub const CHECK_JITTER_PERCENT: u8 = 10;
/// Intervals are so many times shorter while a change of state is likely.
pub const CHECK_FAST_DIVISOR: u32 = 4;
/// Statuses of a healthy server.
pub const CHECK_STATUS: (u16, u16) = (200, 399);

/// The largest configuration file.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// The largest error page.
pub const ERROR_PAGE_BYTES_MAX: u64 = 64 << 10;

/// Of the process.
pub fn global() -> Global {
    Global {
        cores: 0,
        admin: None,
        connections_max: 100_000,
        drain_timeout_ms: 30_000,
        log: LogTarget::StandardOutput,
    }
}

/// Of a listener.
pub fn listener() -> Listener {
    Listener {
        name: String::new(),
        binds: Vec::new(),
        mode: Mode::Http,
        timeouts: TIMEOUTS,
        connections_max: 0,
        head_bytes_max: 16 << 10,
        fields_max: 100,
        accepts_proxy: false,
        trusted: Vec::new(),
        forwarding: FORWARDING,
        routes: Vec::new(),
        default_pool: None,
        request_rewrites: Vec::new(),
        response_rewrites: Vec::new(),
        error_pages: BTreeMap::new(),
        log: None,
        rate_limits: Vec::new(),
        rate_limit_headers: HeaderStyle::default(),
        rate_limit_status: None,
    }
}

/// Without a rule.
pub fn rate_limits() -> RateLimits {
    RateLimits { keys_max: 1_000_000, store: None, rules: Rules::default() }
}

/// Of a pool.
pub fn pool() -> Pool {
    Pool {
        name: String::new(),
        mode: Mode::Http,
        balance: Balance {
            algorithm: ALGORITHM_DEFAULT,
            key: HashKey::Source,
            choices: 2,
            load_factor_percent: 0,
        },
        servers: Vec::new(),
        timeouts: TIMEOUTS,
        check: None,
        ejection: Some(EJECTION),
        panic_percent: 0,
        retry: Retry { attempts: 3, budget_percent: 20, budget_min: 100 },
        queue_max: 1024,
        requests_max: 0,
        sticky: None,
        slow_start_ms: 0,
        idle: IdleLimits {
            connections_max: 256,
            timeout_ms: 30_000,
            lifetime_ms: 3_600_000,
            requests_max: 0,
        },
        sends_proxy: None,
    }
}
