//! A configuration, checked and complete.
//!
//! Job: say what the process is to be. In: a file or a command line, read by [`super`]. Out: values.
//! Invariant: every bound is finite; the addresses are of the form that a listener takes.

use ringlet_limit::config::StoreSettings;
use ringlet_limit::headers::HeaderStyle;
use ringlet_limit::model::{ClientAddress, Rules};
pub use ringlet_runtime::log::LogTarget;

/// All of it.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Of the process.
    pub global: Global,
    /// What is shared with other limiters; none: this one decides alone.
    pub store: Option<StoreSettings>,
    /// What is limited.
    pub rules: Rules,
    /// Where clients come in.
    pub listeners: Vec<Listener>,
}

/// Of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// Cores to run on; 0 for all.
    pub cores: usize,
    /// Where the admin page is.
    pub admin: Option<String>,
    /// Keys that are remembered, by all cores together.
    pub keys_max: u64,
    /// Connections that are open, of all listeners together.
    pub connections_max: u32,
    /// How long connections may take to end at shutdown.
    pub drain_timeout_ms: u32,
    /// Where denials are written down.
    pub audit_log: LogTarget,
}

/// What is spoken.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: `/check`, `/auth`, `/json`.
    Http,
    /// Envoy's rate limit service.
    Grpc,
    /// `CL.THROTTLE` and `THROTTLE`.
    Resp,
}

/// A place where clients come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Unique; its first address if nothing is said.
    pub name: String,
    /// `HOST:PORT` or `unix:PATH`.
    pub binds: Vec<String>,
    /// What is spoken.
    pub protocol: Protocol,
    /// The domain of requests that name none.
    pub domain: Option<String>,
    /// How answers say what is left.
    pub headers: HeaderStyle,
    /// The status of every denial; none: as the reason is.
    pub deny_status: Option<u16>,
    /// Whom to believe about a client's address.
    pub client: ClientAddress,
}
