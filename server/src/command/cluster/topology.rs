//! Topology: the cluster as which a server with shard ports presents itself.
//! In: the configuration and a connection. Out: one node for each core, with its slots and its
//! port.
//! Invariant: every node has the address that the client has reached, so it works through any
//! interface, unless cluster-announce-ip and its kin name what lies before the server; slots and
//! owners are those by which the shards themselves go.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::command::spec::CommandError;
use crate::connection::Connection;
use crate::core::{Core, slots_of};

/// What all commands of a cluster answer without `shard-ports`.
pub const DISABLED: CommandError =
    CommandError::new("ERR This instance has cluster support disabled");

/// A core as a node of a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// 40 hexadecimal digits, new in every run.
    pub id: String,
    /// As the client sees this server; IPv6 without brackets.
    pub address: String,
    /// `cluster-announce-hostname`; empty when there is none.
    pub hostname: String,
    /// Where clients are to go: one of the two; `None` for where they are already.
    pub endpoint: Option<String>,
    /// The core's own port.
    pub port: u16,
    /// First and last slot that it owns.
    pub slots: (u16, u16),
    /// The connection is served by this core.
    pub is_myself: bool,
}

/// All nodes, by core. Errors: there are no shard ports.
pub fn nodes(core: &Core, connection: &Connection) -> Result<Vec<Node>, CommandError> {
    let base = core.shared.config.shard_ports;
    if base == 0 {
        return Err(DISABLED);
    }
    let config = &core.config;
    let address = match config.announce_ip.as_str() {
        "" => reached_address(&connection.local_address, &config.bind).to_string(),
        announced => announced.into(),
    };
    let hostname = config.announce_hostname.clone();
    let endpoint = match config.endpoint_type.as_str() {
        "hostname" if hostname.is_empty() => Some("?".into()),
        "hostname" => Some(hostname.clone()),
        "unknown-endpoint" => None,
        _ => Some(address.clone()),
    };
    let first_port = if config.announce_port == 0 { base } else { config.announce_port };
    let nodes = core.shared.node_ids.iter().enumerate().map(|(index, id)| Node {
        id: id.clone(),
        address: address.clone(),
        hostname: hostname.clone(),
        endpoint: endpoint.clone(),
        port: first_port.saturating_add(index as u16),
        slots: slots_of(index, core.cores),
        is_myself: index == core.index,
    });
    Ok(nodes.collect())
}

/// The node of the core that serves a connection. Errors: there are no shard ports.
pub fn myself(core: &Core, connection: &Connection) -> Result<Node, CommandError> {
    nodes(core, connection).map(|mut nodes| nodes.swap_remove(core.index))
}

/// The node of this id. Errors: there are no shard ports, or no such node.
pub fn node_of(core: &Core, connection: &Connection, id: &[u8]) -> Result<Node, CommandError> {
    nodes(core, connection)?.into_iter().find(|node| node.id.as_bytes() == id).ok_or_else(|| {
        CommandError::with(format!("ERR Unknown node {}", String::from_utf8_lossy(id)))
    })
}

/// The address at which a client has reached the server. A unix socket has none: then it is the
/// first one that the server is bound to, on which the shard ports listen too.
fn reached_address(local_address: &str, bind: &[String]) -> IpAddr {
    if let Ok(local) = local_address.parse::<SocketAddr>() {
        return local.ip().to_canonical();
    }
    bind.iter()
        .filter_map(|address| address.trim_start_matches('-').parse::<IpAddr>().ok())
        .find(|address| !address.is_unspecified())
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_the_address_that_the_client_has_reached() {
        let bind = |all: &[&str]| all.iter().map(|one| one.to_string()).collect::<Vec<_>>();
        let reached = |local: &str, to: &[&str]| reached_address(local, &bind(to)).to_string();
        assert_eq!(reached("10.1.2.3:7000", &["127.0.0.1"]), "10.1.2.3");
        assert_eq!(reached("[fd00::1]:7000", &["::"]), "fd00::1");
        assert_eq!(reached("[::ffff:10.1.2.3]:7000", &["::"]), "10.1.2.3");
        assert_eq!(reached("/run/ringlet.sock", &["-10.9.9.9", "127.0.0.1"]), "10.9.9.9");
        assert_eq!(reached("/run/ringlet.sock", &["*", "0.0.0.0"]), "127.0.0.1");
    }
}
