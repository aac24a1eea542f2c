//! Job: say the same service in the words of each proxy, and the backends in nginx's.
//! In: a [`Service`], an address. Out: texts of configuration files.
//! Invariant: all proxies listen once, send to the same servers, reuse connections to them, tell them
//! the client's address, log nothing, check only when asked, and close no connection that is in use.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::nginx;

/// Connections that a proxy has to hold: 10 000 idle ones and some more.
const CONNECTIONS: usize = 12_000;
/// The body of `/small`.
const SMALL_BODY: &str = "0123456789012345678901234567890123456789012345678901234567890123";

/// What a proxy understands of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Requests and responses.
    Http,
    /// Bytes.
    Tcp,
}

/// How a proxy chooses servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// The less loaded of two that are drawn.
    TwoChoices,
    /// In turn.
    RoundRobin,
    /// By latency (Ringlet only).
    PeakEwma,
}

/// What a proxy shall do.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// What it understands.
    pub mode: Mode,
    /// How it chooses.
    pub balance: Balance,
    /// Its servers.
    pub servers: &'a [SocketAddr],
    /// Milliseconds between the checks of a server, which ask for `/health` (Ringlet only).
    pub check_interval_ms: Option<u64>,
}

/// For haproxy. It wants two file descriptors for each connection that it may hold, also where idle
/// ones take one and fewer are to be had: hence no strict limits.
pub fn haproxy(service: &Service<'_>, listen: SocketAddr) -> String {
    let balance = match service.balance {
        Balance::TwoChoices => "random(2)",
        Balance::RoundRobin | Balance::PeakEwma => "roundrobin",
    };
    let mode = match service.mode {
        Mode::Http => "mode http\n  option forwardfor\n  http-reuse always",
        Mode::Tcp => "mode tcp",
    };
    let mut text = format!(
        "global\n  nbthread 1\n  no strict-limits\n  maxconn {CONNECTIONS}\ndefaults\n  timeout connect 4s\n  \
         timeout client 60s\n  timeout server 60s\n  timeout http-keep-alive 60s\n\
         listen bench\n  bind {listen}\n  {mode}\n  balance {balance}\n"
    );
    for (index, server) in service.servers.iter().enumerate() {
        let _ = writeln!(text, "  server s{index} {server}");
    }
    text
}

/// For ringlet-lb.
pub fn ringlet(service: &Service<'_>, listen: SocketAddr) -> String {
    let mode = match service.mode {
        Mode::Http => "http",
        Mode::Tcp => "tcp",
    };
    let balance = match service.balance {
        Balance::TwoChoices => "p2c",
        Balance::RoundRobin => "round-robin",
        Balance::PeakEwma => "peak-ewma",
    };
    let servers: Vec<String> = service.servers.iter().map(|s| format!("\"{s}\"")).collect();
    let check = service.check_interval_ms.map_or_else(String::new, |interval_ms| {
        format!("check = {{ http = \"/health\", interval = \"{interval_ms}ms\" }}\n")
    });
    format!(
        "[global]\nmaxconn = {CONNECTIONS}\n\
         [[listener]]\nbind = \"{listen}\"\nmode = \"{mode}\"\ndefault_pool = \"bench\"\n\
         [pool.bench]\nmode = \"{mode}\"\nbalance = \"{balance}\"\nservers = [{}]\n{check}",
        servers.join(", ")
    )
}

/// For nginx as a proxy; `stream_module` is what TCP needs.
pub fn nginx(service: &Service<'_>, listen: SocketAddr, stream_module: &Path) -> String {
    let servers: String =
        service.servers.iter().map(|server| format!("server {server}; ")).collect();
    let balance = match service.balance {
        Balance::TwoChoices => "random two least_conn; ",
        Balance::RoundRobin | Balance::PeakEwma => "",
    };
    match service.mode {
        Mode::Http => nginx::http(&format!(
            "upstream bench {{ {balance}{servers}keepalive 256; keepalive_requests 1000000000; }}\n\
             server {{ listen {listen} backlog=4096; location / {{ proxy_pass http://bench; \
             proxy_http_version 1.1; proxy_set_header Connection \"\"; \
             proxy_set_header Host $http_host; \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}\n"
        )),
        Mode::Tcp => format!(
            "load_module {};\n{}stream {{ upstream bench {{ {balance}{servers}}}\n\
             server {{ listen {listen} backlog=4096; proxy_pass bench; }} }}\n",
            stream_module.display(),
            nginx::HEAD
        ),
    }
}

/// For nginx as the servers at `addresses`: `/small` has 64 bytes, other paths are files of `folder`.
pub fn backends(addresses: &[SocketAddr], folder: &Path) -> String {
    let listen: String =
        addresses.iter().map(|address| format!("listen {address} backlog=4096; ")).collect();
    nginx::http(&format!(
        "server {{ {listen}root {}; open_file_cache max=16; \
         location = /small {{ return 200 \"{SMALL_BODY}\"; }} }}\n",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_proxy_is_told_the_same() {
        let servers = ["127.0.0.1:9001", "127.0.0.1:9002"].map(|text| text.parse().expect("one"));
        let listen = "127.0.0.1:8080".parse().expect("an address");
        for mode in [Mode::Http, Mode::Tcp] {
            let service = Service {
                mode,
                balance: Balance::TwoChoices,
                servers: &servers,
                check_interval_ms: None,
            };
            let module = Path::new("/modules/stream.so");
            let nginx = nginx(&service, listen, module);
            assert_eq!(nginx.contains("/modules/stream.so"), mode == Mode::Tcp);
            for text in [haproxy(&service, listen), ringlet(&service, listen), nginx] {
                for needed in ["127.0.0.1:8080", "127.0.0.1:9001", "127.0.0.1:9002"] {
                    assert!(text.contains(needed), "{needed} is missing in {text}");
                }
                assert!(!text.contains("check"), "{text}");
            }
        }
        assert_eq!(SMALL_BODY.len(), 64);
    }
}
