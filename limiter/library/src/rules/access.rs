//! Networks that are let through and networks that are refused.
//!
//! Job: find what the access lists say of an address. In: networks, an address. Out: an [`Access`].
//! Invariant: the longest prefix wins; of two equal ones, `deny`. A look-up costs one probe for each
//! length of prefix that the lists have, not for each network.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ahash::RandomState;
use ipnet::IpNet;

use crate::model::AccessLists;
use crate::request::Access;

/// The lists, compiled.
#[derive(Debug)]
pub(super) struct Networks {
    by_network: HashMap<IpNet, Access, RandomState>,
    ipv4_bits: Vec<u8>,
    ipv6_bits: Vec<u8>,
}

impl Networks {
    pub(super) fn new(lists: &AccessLists, hasher: &RandomState) -> Self {
        let mut by_network = HashMap::with_hasher(hasher.clone());
        let allowed = lists.allow.iter().map(|network| (network, Access::Free));
        let denied = lists.deny.iter().map(|network| (network, Access::Denied));
        // Later ones replace earlier ones: a tie goes to `deny`.
        by_network
            .extend(allowed.chain(denied).map(|(network, access)| (canonical(*network), access)));
        let lengths = |is_ipv4: bool| {
            let of_kind = by_network.keys().filter(|network| network.addr().is_ipv4() == is_ipv4);
            let bits: HashSet<u8> = of_kind.map(IpNet::prefix_len).collect();
            let mut bits: Vec<u8> = bits.into_iter().collect();
            bits.sort_unstable_by(|one, other| other.cmp(one));
            bits
        };
        let (ipv4_bits, ipv6_bits) = (lengths(true), lengths(false));
        Self { by_network, ipv4_bits, ipv6_bits }
    }

    /// What they say of a client.
    pub(super) fn access(&self, client: IpAddr) -> Access {
        let lengths = if client.is_ipv4() { &self.ipv4_bits } else { &self.ipv6_bits };
        let networks = lengths.iter().filter_map(|&bits| IpNet::new(client, bits).ok());
        let mut found = networks.filter_map(|network| self.by_network.get(&network.trunc()));
        found.next().copied().unwrap_or_default()
    }
}

/// A network of IPv4 addresses that is written as one of IPv6 is one of IPv4, as are its addresses.
fn canonical(network: IpNet) -> IpNet {
    let bits = network.prefix_len().checked_sub(96);
    let ipv4 = match network.addr() {
        IpAddr::V6(address) => address.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    };
    let ipv4 = ipv4.zip(bits).and_then(|(address, bits)| IpNet::new(address.into(), bits).ok());
    ipv4.unwrap_or(network).trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("network")).collect()
    }

    #[test]
    fn the_longest_prefix_wins_and_ties_go_to_deny() {
        let lists = AccessLists {
            allow: networks(&[
                "10.0.0.0/8",
                "192.0.2.0/24",
                "2001:db8::/32",
                "::ffff:198.51.100.0/120",
            ]),
            deny: networks(&[
                "10.1.0.0/16",
                "192.0.2.77/24",
                "2001:db8:bad::/48",
                "203.0.113.9/32",
            ]),
        };
        let compiled = Networks::new(&lists, &RandomState::with_seeds(1, 2, 3, 4));
        for (address, expected) in [
            ("10.2.0.1", Access::Free),
            ("10.1.2.3", Access::Denied),
            ("11.0.0.1", Access::Limited),
            ("192.0.2.1", Access::Denied),
            ("203.0.113.9", Access::Denied),
            ("203.0.113.8", Access::Limited),
            ("198.51.100.200", Access::Free),
            ("198.51.101.1", Access::Limited),
            ("2001:db8:1::1", Access::Free),
            ("2001:db8:bad::1", Access::Denied),
            ("2001:db9::1", Access::Limited),
        ] {
            assert_eq!(compiled.access(address.parse().expect("address")), expected, "{address}");
        }
    }

    #[test]
    fn everything_can_be_denied_but_for_some() {
        let lists = AccessLists {
            allow: networks(&["192.0.2.1/32"]),
            deny: networks(&["0.0.0.0/0", "::/0"]),
        };
        let compiled = Networks::new(&lists, &RandomState::with_seeds(1, 2, 3, 4));
        for (address, expected) in
            [("192.0.2.1", Access::Free), ("192.0.2.2", Access::Denied), ("::1", Access::Denied)]
        {
            assert_eq!(compiled.access(address.parse().expect("address")), expected, "{address}");
        }
    }
}
