//! The ring of nginx's `hash ... consistent`.
//!
//! Job: homes for keys, the same ones as nginx (and what is compatible with it: Pingora, the Perl
//! module Cache::Memcached::Fast) gives them for the same servers. In: servers. Out: points in order.
//! Invariant: of equal points the first server's counts; 160 points for each 1 of weight, fewer only above 4 million in
//! all.
//!
//! The address decides, not the name, as nginx has no names. The points of a server are
//! `point[j] = crc32(HOST "\0" PORT point[j-1])` with the last point as 4 bytes, least first, and 0
//! before the first one. PORT is the digits after the last colon, or nothing; a `unix:` path is all
//! HOST. A key is at home at the first point not below its CRC-32.
//!
//! Source: nginx, `ngx_http_upstream_hash_module.c`.

use crc32fast::Hasher;

use super::SERVERS_MAX;
use super::hashed::{Homes, Table};
use crate::model::Server;

const POINTS_PER_WEIGHT: u64 = 160;

/// Bounds what a table costs: 32 MB.
const POINTS_MAX: u64 = 4 << 20;

pub fn table(servers: &[Server]) -> Table {
    Table::new(servers, Homes::Ring(points(servers)))
}

fn points(servers: &[Server]) -> Vec<(u32, u16)> {
    let wanted = |server: &Server| u64::from(server.weight) * POINTS_PER_WEIGHT;
    let total = servers.iter().map(wanted).sum::<u64>().max(1);
    let mut points = Vec::with_capacity(total.min(POINTS_MAX) as usize);
    for (index, server) in (0..SERVERS_MAX as u16).zip(servers).filter(|(_, one)| one.weight > 0) {
        let (host, port) = host_and_port(&server.address);
        let mut base = Hasher::new();
        base.update(host.as_bytes());
        base.update(b"\0");
        base.update(port.as_bytes());
        let count = (wanted(server) * total.min(POINTS_MAX) / total).max(1);
        let mut point = 0u32;
        for _ in 0..count {
            let mut hasher = base.clone();
            hasher.update(&point.to_le_bytes());
            point = hasher.finalize();
            points.push((point, index));
        }
    }
    points.sort_unstable();
    points
}

/// Splits an address as nginx does.
fn host_and_port(address: &str) -> (&str, &str) {
    if address.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix:")) {
        return (&address[5..], "");
    }
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (address, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyHash;
    use super::super::test_support::server;
    use super::*;

    fn at(address: &str, weight: u16) -> Server {
        Server { address: address.to_string(), ..server(0, weight) }
    }

    #[test]
    fn points_and_homes_are_those_of_nginx() {
        // Computed by another program (Python's zlib.crc32 and bisect), which agrees with recorded
        // choices of nginx.
        let servers = [at("10.0.0.1:80", 1), at("10.0.0.2", 3), at("unix:/run/b.sock", 2)];
        let points = points(&servers);
        assert_eq!(points.len(), 960);
        assert_eq!(points[..3], [(3_751_338, 0), (5_577_347, 1), (6_029_766, 1)]);
        assert_eq!(points[959], (4_294_447_434, 0));
        let bytes = |&(point, index): &(u32, u16)| {
            [&point.to_le_bytes()[..], &index.to_le_bytes()].concat()
        };
        let all: Vec<u8> = points.iter().flat_map(bytes).collect();
        assert_eq!(crc32fast::hash(&all), 2_842_936_030);
        let table = table(&servers);
        let home = |key: usize| table.home(KeyHash::Crc32.of_bytes(format!("key{key}").as_bytes()));
        let homes: Vec<usize> = (0..24).filter_map(home).collect();
        let expected = [0, 1, 0, 2, 1, 2, 1, 1, 0, 1, 1, 1, 1, 2, 1, 2, 2, 2, 2, 2, 1, 1, 0, 0];
        assert_eq!(homes, expected);
        // The ring is round, and a point belongs to its own server.
        assert_eq!(table.home(4_294_447_434), Some(0));
        assert_eq!(table.home(u64::from(u32::MAX)), Some(0));
        assert_eq!(table.home(3_751_338), Some(0));
        assert_eq!(table.home(3_751_339), Some(1));
    }

    #[test]
    fn addresses_are_split_as_by_nginx() {
        assert_eq!(host_and_port("a.example:8080"), ("a.example", "8080"));
        assert_eq!(host_and_port("a.example"), ("a.example", ""));
        assert_eq!(host_and_port("[::1]:80"), ("[::1]", "80"));
        assert_eq!(host_and_port("[::1]"), ("[::1]", ""));
        assert_eq!(host_and_port("UNIX:/run/a:80"), ("/run/a:80", ""));
        assert_eq!(host_and_port(""), ("", ""));
    }

    #[test]
    fn the_number_of_points_is_bounded() {
        let servers: Vec<Server> = (0..400).map(|number| server(number, 256)).collect();
        let points = points(&servers);
        assert_eq!(points.len(), 4_194_000);
        assert!(super::points(&[]).is_empty());
        assert!(super::points(&[server(0, 0)]).is_empty());
    }
}
