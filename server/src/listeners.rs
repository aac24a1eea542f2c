//! Listeners: the sockets on which clients come.
//! In: the configuration, the number of cores. Out: listening sockets for each core.
//! Invariant: every address of the configuration is listened on, or there is one line that says why not.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use ringlet_runtime::listen::{self, ListenErrorKind, ListenOptions};
use ringlet_runtime::ring::SocketAddress;

use crate::config::Config;

/// Opens all listening sockets: for each core those of the main addresses, and its own port's.
#[allow(clippy::type_complexity)]
pub fn open(
    config: &Config,
    count: usize,
) -> Result<(Vec<Vec<OwnedFd>>, Vec<Vec<OwnedFd>>), String> {
    let mut main: Vec<Vec<OwnedFd>> = (0..count).map(|_| Vec::new()).collect();
    let mut own: Vec<Vec<OwnedFd>> = (0..count).map(|_| Vec::new()).collect();
    let spread = |sockets: Vec<OwnedFd>, to: &mut Vec<Vec<OwnedFd>>| {
        for (socket, place) in sockets.into_iter().zip(to) {
            place.push(socket);
        }
    };
    let options = |address: SocketAddress| ListenOptions {
        backlog: config.tcp_backlog,
        ..ListenOptions::new(address)
    };
    for bind in &config.bind {
        let (host, is_optional) = match bind.strip_prefix('-') {
            Some(host) => (host, true),
            None => (bind.as_str(), false),
        };
        for (port, cores) in listening_ports(config, count) {
            let address = resolve(host, port)?;
            match listen::listen(&options(SocketAddress::Ip(address)), cores.len()) {
                Ok((sockets, _)) if cores.len() == count && port == config.port => {
                    spread(sockets, &mut main);
                }
                Ok((sockets, _)) => own[cores.start].extend(sockets),
                Err(error)
                    if is_optional
                        && matches!(
                            error.kind,
                            ListenErrorKind::AddressNotAvailable | ListenErrorKind::BadAddress
                        ) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
    if let Some(path) = config.unix_socket.clone() {
        let mut unix = options(SocketAddress::Unix(path));
        unix.unix_mode = (config.unix_socket_mode != 0).then_some(config.unix_socket_mode);
        let (sockets, _) = listen::listen(&unix, count).map_err(|error| error.to_string())?;
        spread(sockets, &mut main);
    }
    if main.iter().all(Vec::is_empty) {
        return Err("nothing to listen on: set port, bind or unixsocket".into());
    }
    Ok((main, own))
}

/// The cores' own ports must exist, and the main port must be none of them.
pub fn check_ports(config: &Config, count: usize) -> Result<(), String> {
    let first = usize::from(config.shard_ports);
    let last = first + count - 1;
    if first == 0 {
        return Ok(());
    }
    if last > usize::from(u16::MAX) {
        return Err(format!("shard-ports {first}: {count} cores would need ports up to {last}"));
    }
    if (first..=last).contains(&usize::from(config.port)) {
        return Err(format!(
            "shard-ports {first}: the {count} cores would need port {} too; choose another base",
            config.port
        ));
    }
    Ok(())
}

/// Each port with the cores that listen on it: the main port with all, the shard ports with one.
fn listening_ports(config: &Config, count: usize) -> Vec<(u16, std::ops::Range<usize>)> {
    let mut ports = Vec::new();
    if config.port != 0 {
        ports.push((config.port, 0..count));
    }
    if config.shard_ports != 0 {
        ports.extend((0..count).map(|core| (config.shard_ports + core as u16, core..core + 1)));
    }
    ports
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let host = match host {
        "*" => "0.0.0.0",
        "::*" => "::",
        host => host,
    };
    (host, port)
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or_else(|| format!("bind: '{host}' is neither an address nor a name that resolves"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cores_ports_exist_and_the_main_port_is_none_of_them() {
        let check = |port, shard_ports, count| {
            check_ports(&Config { port, shard_ports, ..Config::default() }, count)
        };
        assert!(check(6379, 0, 4).is_ok());
        assert!(check(7000, 7001, 4).is_ok());
        assert!(check(7005, 7001, 4).is_ok());
        assert!(check(7004, 7001, 4).is_err());
        assert!(check(7001, 7001, 1).is_err());
        assert!(check(6379, 65_533, 3).is_ok());
        assert!(check(6379, 65_533, 4).is_err());
    }
}
