//! Banner: what the server says when it starts.
//! In: the configuration in force. Out: a few log lines.
//! Invariant: version, port, cores, pid and the admin page are all there.

use std::net::SocketAddr;

use crate::config::Config;

/// Prints the start banner to the log.
pub fn print(config: &Config, cores: usize, admin: &[SocketAddr]) {
    tracing::info!(
        "Ringlet {} (Redis {} compatible), pid {}, {cores} {}",
        env!("CARGO_PKG_VERSION"),
        crate::REDIS_VERSION,
        std::process::id(),
        if cores == 1 { "core" } else { "cores" },
    );
    match &config.file {
        Some(file) => tracing::info!("Configuration: {}", file.display()),
        None => tracing::info!("Configuration: defaults and command line, no file"),
    }
    if config.port != 0 {
        tracing::info!("Listening on port {} of {}", config.port, config.bind.join(" "));
    }
    if let Some(path) = &config.unix_socket {
        tracing::info!("Listening on {}", path.display());
    }
    if config.shard_ports != 0 {
        let last = usize::from(config.shard_ports) + cores - 1;
        tracing::info!("Cores' own ports: {} to {last}", config.shard_ports);
    }
    match admin {
        [] => tracing::info!("Admin page: off (start with --admin 127.0.0.1:9379)"),
        addresses => {
            for address in addresses {
                tracing::info!("Admin page: http://{address}/metrics and /healthz");
            }
        }
    }
}
