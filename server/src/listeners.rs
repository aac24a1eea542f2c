//! Listeners: the sockets on which clients come.
//! In: the configuration, the number of cores. Out: listening sockets for each core.
//! Invariant: every address of the configuration is listened on, or there is one line that says why
//! not.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use ringlet_runtime::listen::{self, ListenError, ListenErrorKind, ListenOptions};
use ringlet_runtime::ring::SocketAddress;

use crate::config::Config;

/// The sockets of one address, one for each core, and that address.
type Listening = (Vec<OwnedFd>, SocketAddress);

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
            let listen_at = |address| listen::listen(&options(address), cores.len());
            match listen_on_one(&resolve(host, port)?, listen_at) {
                Ok((sockets, _)) if cores.len() == count && port == config.port => {
                    spread(sockets, &mut main);
                }
                Ok((sockets, _)) => own[cores.start].extend(sockets),
                Err(error) if is_optional && is_absent(&error) => {}
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
    if main.iter().chain(&own).all(Vec::is_empty) {
        return Err("nothing to listen on: set port, bind, unixsocket or shard-ports".into());
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

/// The addresses of a name, at least one.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let name = match host {
        "*" => "0.0.0.0",
        "::*" => "::",
        host => host,
    };
    let addresses: Vec<_> = (name, port).to_socket_addrs().into_iter().flatten().collect();
    if addresses.is_empty() {
        return Err(format!("bind: '{name}' is neither an address nor a name that resolves"));
    }
    Ok(addresses)
}

/// Listens on the first address that this machine has: a name may stand for one of IPv6, where that
/// is off, and one of IPv4.
fn listen_on_one(
    addresses: &[SocketAddr],
    listen_at: impl Fn(SocketAddress) -> Result<Listening, ListenError>,
) -> Result<Listening, ListenError> {
    let (last, others) = addresses.split_last().expect("invariant: a name has an address");
    let attempts = others.iter().map(|address| listen_at(SocketAddress::Ip(*address)));
    for attempt in attempts {
        if !attempt.as_ref().is_err_and(is_absent) {
            return attempt;
        }
    }
    listen_at(SocketAddress::Ip(*last))
}

/// Whether this machine has no such address, or no such protocol.
fn is_absent(error: &ListenError) -> bool {
    matches!(error.kind, ListenErrorKind::AddressNotAvailable | ListenErrorKind::BadAddress)
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

    #[test]
    fn of_a_names_addresses_the_first_that_exists_is_taken() {
        let of_others = SocketAddr::from(([192, 0, 2, 1], 0));
        let ours = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen_at = |address| listen::listen(&ListenOptions::new(address), 1);
        let (_sockets, address) =
            listen_on_one(&[of_others, ours], listen_at).expect("ours exists");
        assert!(address.to_string().starts_with("127.0.0.1:"), "{address}");
        let error = listen_on_one(&[of_others, of_others], listen_at).expect_err("none exists");
        assert!(is_absent(&error), "{error}");
    }
}
