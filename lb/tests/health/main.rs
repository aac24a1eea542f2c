//! Health and failover, with real sockets.
//!
//! Job: hold the balancer to what it promises when servers die, hang, fail and come back. In: backends in
//! threads, a real redis-server, the program. Out: failures. Invariant: events are waited for, by the log
//! or by what backends count; nothing depends on how fast the machine is.

mod backend;
mod balancer;
mod checks;
mod ejection;
mod failover;
#[path = "../shared/ports.rs"]
mod ports;

use backend::Backend;

/// A configuration with one listener and one HTTP pool named `api` with these settings and servers.
fn http_pool(settings: &str, servers: &[(&str, &Backend)]) -> String {
    let described: Vec<String> =
        servers.iter().map(|(name, backend)| server(name, backend, "")).collect();
    pool_of("http", settings, &described)
}

/// A server of a pool.
fn server(name: &str, backend: &Backend, more: &str) -> String {
    format!("\"{} name={name} {more}\"", backend.address)
}

/// A configuration with one listener and one pool named `api`.
fn pool_of(mode: &str, settings: &str, servers: &[String]) -> String {
    let servers = servers.join(", ");
    format!(
        "[[listener]]\nname = \"in\"\nmode = \"{mode}\"\nbind = \"LISTEN\"\ndefault_pool = \"api\"\n\
         [pool.api]\nmode = \"{mode}\"\nservers = [{servers}]\n{settings}\n"
    )
}
