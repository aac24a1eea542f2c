//! What holds if nothing is said.
//!
//! Job: one place for all defaults and bounds. In: nothing. Out: values. Invariant: every bound is
//! finite.

use ringlet_limit::headers::HeaderStyle;
use ringlet_limit::model::ClientAddress;

use super::model::{Global, Listener, LogTarget, Protocol};

/// The largest configuration file.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// The most cores that may be asked for.
pub const CORES_MAX: usize = 1024;
/// The most keys that may be asked for.
pub const KEYS_MAX: u64 = 1 << 32;
/// The most connections that may be asked for.
pub const CONNECTIONS_MAX: u32 = 16_000_000;

/// Where HTTP is served without a file.
pub const HTTP_ADDRESS: &str = "127.0.0.1:8090";
/// Where RESP is served without a file.
pub const RESP_ADDRESS: &str = "127.0.0.1:8091";
/// Where gRPC is served without a file: the port that Envoy's service has.
pub const GRPC_ADDRESS: &str = "127.0.0.1:8081";
/// Where the admin page is without a file.
pub const ADMIN_ADDRESS: &str = "127.0.0.1:8405";

/// Of the process.
pub fn global() -> Global {
    Global {
        cores: 0,
        admin: None,
        keys_max: 1_000_000,
        connections_max: 100_000,
        drain_timeout_ms: 30_000,
        audit_log: LogTarget::Off,
    }
}

/// Of a listener.
pub fn listener(protocol: Protocol) -> Listener {
    Listener {
        name: String::new(),
        binds: Vec::new(),
        protocol,
        domain: None,
        headers: if protocol == Protocol::Http { HeaderStyle::Ietf } else { HeaderStyle::None },
        deny_status: None,
        client: ClientAddress::Peer,
    }
}
