//! Job: say the limits of the bench in the words of ringlet-limiter and of nginx.
//! In: addresses. Out: texts of configuration files.
//! Invariant: what is measured for its cost is never refused; what is measured for its accuracy is
//! offered many times its limit; both programs have a limit that refuses, to show that they count.

use std::net::SocketAddr;

use crate::nginx;

/// Path of a request that is never refused.
pub const WIDE: &str = "/auth";
/// Path of requests of which one in a minute is let through.
pub const TIGHT: &str = "/auth/tight";

/// Tokens per second, and burst, of one key of [`THROTTLE`].
pub const THROTTLE_COUNT: u32 = 1000;
/// GCRA, for RESP.
pub const THROTTLE: &str = "throttle";
/// A token bucket that load never empties.
pub const AMPLE: &str = "ample";
/// A token bucket that load empties.
pub const BUCKET: &str = "bucket";
/// A fixed window that load empties.
pub const WINDOW: &str = "window";
/// Tokens per second of [`BUCKET`] and [`WINDOW`], and burst of the former.
pub const SATURATED_COUNT: u64 = 1000;

/// Rules with a domain are not held against HTTP requests, which here have none.
const RULES: &str = r#"
[rule.wide]
algorithm = "gcra"
limit = 1000000000
window = "1s"
key = ["ip"]

[rule.tight]
algorithm = "gcra"
limit = 1
window = "1m"
path = "/tight"
key = ["ip"]

[rule.call]
algorithm = "gcra"
limit = 1000000000
window = "1s"
domain = "basic"
descriptor = ["key1"]

[rule.ample]
algorithm = "token-bucket"
limit = 10000000
window = "1s"
domain = "resp"
"#;

/// Where a limiter listens.
#[derive(Clone, Copy, Debug)]
pub struct Fronts {
    /// HTTP with the headers that it has unless told otherwise.
    pub http: SocketAddr,
    /// HTTP without headers of its own, as nginx has none.
    pub bare_http: SocketAddr,
    /// gRPC.
    pub grpc: SocketAddr,
    /// RESP.
    pub resp: SocketAddr,
}

/// For ringlet-limiter; `store` is of a configuration that `nodes` share.
pub fn limiter(fronts: &Fronts, cores: usize, store: Option<(SocketAddr, usize)>) -> String {
    let Fronts { http, bare_http, grpc, resp } = fronts;
    let store = store.map_or_else(String::new, |(address, nodes)| {
        format!("[store]\naddress = \"{address}\"\nnodes = {nodes}\n")
    });
    let rule = |name: &str, algorithm: &str, count: u64| {
        format!(
            "[rule.{name}]\nalgorithm = \"{algorithm}\"\nlimit = {count}\nwindow = \"1s\"\n\
             domain = \"resp\"\n"
        )
    };
    [
        format!("[global]\ncores = {cores}\n{store}"),
        format!("[[listener]]\nbind = \"{http}\"\nprotocol = \"http\"\n"),
        format!("[[listener]]\nbind = \"{bare_http}\"\nprotocol = \"http\"\nheaders = \"none\"\n"),
        format!("[[listener]]\nbind = \"{grpc}\"\nprotocol = \"grpc\"\n"),
        format!("[[listener]]\nbind = \"{resp}\"\nprotocol = \"resp\"\n"),
        RULES.to_owned(),
        rule(THROTTLE, "gcra", u64::from(THROTTLE_COUNT)),
        rule(BUCKET, "token-bucket", SATURATED_COUNT),
        rule(WINDOW, "fixed-window", SATURATED_COUNT),
    ]
    .concat()
}

/// For nginx. What it answers comes from memory in the content phase, behind `limit_req`: a `return`
/// would answer before it.
pub fn nginx(listen: SocketAddr) -> String {
    nginx::http(&format!(
        "limit_req_zone $binary_remote_addr zone=wide:10m rate=1000000r/s;\n\
         limit_req_zone $binary_remote_addr zone=tight:1m rate=1r/m;\n\
         server {{ listen {listen} backlog=4096;\n\
         location = {WIDE} {{ limit_req zone=wide burst=1000000 nodelay; empty_gif; }}\n\
         location = {TIGHT} {{ limit_req zone=tight; empty_gif; }} }}\n"
    ))
}
