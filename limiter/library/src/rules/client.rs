//! Who the client of an HTTP request is.
//!
//! Job: find the client's address among what proxies say. In: the connection's peer, X-Forwarded-For.
//! Out: an address. Invariant: what a client can write itself is never believed: addresses are counted
//! from the right end, where the trusted proxies have added theirs, and whenever there is doubt the
//! client is the peer.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::model::{ClientAddress, canonical};

/// So many members of X-Forwarded-For are looked at, from the right.
const MEMBERS_MAX: usize = 64;
/// The longest member that is looked at: an IPv6 address with brackets and a port, and some.
const MEMBER_BYTES_MAX: usize = 64;

/// The client's address. `forwarded_for` has the values of X-Forwarded-For, in the order of their lines.
///
/// The peer of a unix socket is not known and, being of this machine, counts as a trusted proxy.
#[must_use]
pub fn client_address<'a>(
    how: &ClientAddress,
    peer: Option<IpAddr>,
    forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> Option<IpAddr> {
    let peer = peer.map(canonical);
    // Several lines are one list (RFC 9110 section 5.3), and empty members are none.
    let members = forwarded_for.rev().flat_map(|line| line.rsplit(|&byte| byte == b','));
    let members = members.take(MEMBERS_MAX).map(<[u8]>::trim_ascii);
    let mut members = members.filter(|member| !member.is_empty());
    let told = match how {
        ClientAddress::Peer => None,
        ClientAddress::TrustedHops(count) => {
            let place = usize::from(*count).checked_sub(1);
            place.and_then(|place| members.nth(place)).and_then(address)
        }
        ClientAddress::TrustedProxies(networks) => {
            let is_trusted = |address: IpAddr| contains(networks, address);
            // Where all are trusted, each may have been written by one who only has such an address.
            let first = || members.map(address).find(|found| !found.is_some_and(is_trusted));
            peer.is_none_or(is_trusted).then(first).flatten().flatten()
        }
    };
    told.or(peer)
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(member: &[u8]) -> Option<IpAddr> {
    if member.len() > MEMBER_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(member).ok()?;
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    text.parse().ok().or_else(with_port).or_else(in_brackets).map(canonical)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(how: &ClientAddress, peer: &str, lines: &[&str]) -> String {
        let lines = lines.iter().map(|line| line.as_bytes());
        let found = client_address(how, peer.parse().ok(), lines);
        found.map_or("none".to_owned(), |found| found.to_string())
    }

    const PEER: &str = "10.0.0.1";

    #[test]
    fn the_peer_is_the_client_where_nobody_is_trusted() {
        let how = ClientAddress::Peer;
        assert_eq!(found(&how, PEER, &["192.0.2.1"]), PEER);
        assert_eq!(found(&how, "::ffff:192.0.2.1", &[]), "192.0.2.1");
        assert_eq!(found(&how, "unix", &["192.0.2.1"]), "none");
    }

    #[test]
    fn trusted_hops_are_counted_from_the_right() {
        for (hops, lines, expected) in [
            (1, &["6.6.6.6, 192.0.2.1"][..], "192.0.2.1"),
            (2, &["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (2, &["6.6.6.6", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            (2, &["6.6.6.6, 192.0.2.1", " 10.0.0.2\t"], "192.0.2.1"),
            (1, &["6.6.6.6, 192.0.2.1 , ,", ""], "192.0.2.1"),
            (1, &["192.0.2.1:4711"], "192.0.2.1"),
            (1, &["2001:db8::1"], "2001:db8::1"),
            (1, &["[2001:db8::1]"], "2001:db8::1"),
            (1, &["[::1]:80"], "::1"),
            (1, &["::ffff:192.0.2.1"], "192.0.2.1"),
            (1, &["[::ffff:192.0.2.1]:80"], "192.0.2.1"),
            // Fewer than there must be, or none that is an address: the peer.
            (2, &["6.6.6.6"], PEER),
            (1, &[], PEER),
            (1, &["6.6.6.6, unknown"], PEER),
            (1, &["6.6.6.6, _hidden"], PEER),
            (1, &["192.0.2.1:"], PEER),
            (1, &["192.0.2.1:65536"], PEER),
            (1, &["[192.0.2.1]"], PEER),
            (1, &["192.0.2"], PEER),
            (1, &["192.0.2.01"], PEER),
            (1, &["\u{e4}"], PEER),
            (0, &["6.6.6.6"], PEER),
            (200, &["6.6.6.6"], PEER),
        ] {
            let how = ClientAddress::TrustedHops(hops);
            assert_eq!(found(&how, PEER, lines), expected, "{hops} {lines:?}");
        }
        let how = ClientAddress::TrustedHops(1);
        assert_eq!(found(&how, "unix", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(found(&how, "unix", &["x"]), "none");
    }

    #[test]
    fn trusted_proxies_are_passed_over_from_the_right() {
        let networks = ["10.0.0.0/8", "2001:db8::/32"];
        let networks = networks.iter().map(|network| network.parse().expect("network")).collect();
        let how = ClientAddress::TrustedProxies(networks);
        for (peer, lines, expected) in [
            (PEER, &["6.6.6.6, 192.0.2.1, 10.0.0.3, 10.0.0.2"][..], "192.0.2.1"),
            (PEER, &["6.6.6.6", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            (PEER, &["6.6.6.6, 192.0.2.1, [2001:db8::7]:80, ::ffff:10.0.0.2"], "192.0.2.1"),
            ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("unix", &["192.0.2.1"], "192.0.2.1"),
            // Who is not trusted is the client, whatever it says of others.
            ("192.0.2.9", &["6.6.6.6, 10.0.0.2"], "192.0.2.9"),
            (PEER, &["6.6.6.6, unknown, 10.0.0.2"], PEER),
            (PEER, &["6.6.6.6, , 192.0.2.1"], "192.0.2.1"),
            (PEER, &["10.9.9.9, 10.0.0.2"], PEER),
            (PEER, &[], PEER),
            ("unix", &["10.0.0.2"], "none"),
        ] {
            assert_eq!(found(&how, peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_long_list_is_looked_at_from_the_right_only_so_far() {
        let how = ClientAddress::TrustedProxies(vec!["10.0.0.0/8".parse().expect("network")]);
        let list = |count| format!("6.6.6.6{}", ", 10.0.0.2".repeat(count));
        assert_eq!(found(&how, PEER, &[&list(MEMBERS_MAX - 1)]), "6.6.6.6");
        assert_eq!(found(&how, PEER, &[&list(MEMBERS_MAX)]), PEER);
        let padded = format!("6.6.6.6,{}", ",".repeat(MEMBERS_MAX));
        assert_eq!(found(&how, PEER, &[&padded]), PEER);
    }

    proptest! {
        #[test]
        fn what_stands_further_left_changes_nothing(
            forged in "[ -~\u{e4}]{0,40}",
            hops in 1..4u8,
        ) {
            let added = ["192.0.2.1", "10.0.0.3", "10.0.0.2"];
            let added = added[3 - usize::from(hops)..].join(", ");
            let how = ClientAddress::TrustedHops(hops);
            let expected = found(&how, PEER, &[&added]);
            prop_assert_eq!(found(&how, PEER, &[&forged, &added]), expected.clone());
            prop_assert_eq!(found(&how, PEER, &[&format!("{forged}, {added}")]), expected);
        }

        #[test]
        fn no_bytes_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..4)) {
            for how in [ClientAddress::TrustedHops(1), ClientAddress::TrustedProxies(vec![])] {
                let lines = lines.iter().map(Vec::as_slice);
                prop_assert!(client_address(&how, PEER.parse().ok(), lines).is_some());
            }
        }
    }
}
