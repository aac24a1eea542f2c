//! Hashes of keys.
//!
//! Job: make of a request's key (address, header, cookie, path) the number by which hashed algorithms
//! choose, and of a server's name its identity. In: bytes. Out: 64 bits.
//! Invariant: the same for the same bytes in every process, version and machine, as several balancers
//! side by side, and one before and after an update, must agree.
//!
//! XXH3 with 64 bits and seed 0 is fast on short keys and spreads well. It is not made to withstand
//! keys that are chosen to collide, and no fixed hash is: where clients choose the key, bound the load
//! (`load_factor_percent`). CRC-32 is there because nginx's consistent hash uses it.

use std::io::Write;
use std::net::IpAddr;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// How an algorithm wants keys to be hashed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum KeyHash {
    /// XXH3, 64 bits, seed 0.
    Xxh3,
    /// CRC-32 (ISO-HDLC, as in zlib) in the low 32 bits.
    Crc32,
}

/// The longest text of an address is that of an IPv6 address that ends in an IPv4 one.
const ADDRESS_LENGTH_MAX: usize = 45;

impl KeyHash {
    /// The hash of a header field's value, a cookie's value or a path.
    #[must_use]
    pub fn of_bytes(self, key: &[u8]) -> u64 {
        match self {
            Self::Xxh3 => xxh3_64(key),
            Self::Crc32 => u64::from(crc32fast::hash(key)),
        }
    }

    /// The hash of a client's address: of its bytes, or with CRC-32 of its text, as nginx hashes
    /// `$remote_addr`. An IPv4 address is the same in either notation.
    #[must_use]
    pub fn of_address(self, address: IpAddr) -> u64 {
        let address = address.to_canonical();
        match (self, address) {
            (Self::Xxh3, IpAddr::V4(address)) => xxh3_64(&address.octets()),
            (Self::Xxh3, IpAddr::V6(address)) => xxh3_64(&address.octets()),
            (Self::Crc32, _) => {
                let mut text = [0; ADDRESS_LENGTH_MAX];
                let mut rest = &mut text[..];
                // Every address fits; were one cut, its hash would still be one.
                let _ = write!(rest, "{address}");
                let left = rest.len();
                self.of_bytes(&text[..ADDRESS_LENGTH_MAX - left])
            }
        }
    }
}

/// What tells a server from others in tables: the hash of its name, another one for each `seed`.
#[must_use]
pub fn identity(name: &str, seed: u64) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), seed)
}

/// Mixes two hashes into one that looks independent of both (the finisher of SplitMix64).
#[inline]
#[must_use]
pub fn mix(one: u64, other: u64) -> u64 {
    let mut word = one ^ other.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_their_specifications() {
        // The empty input's value stands in the specification of XXH3, the check value of "123456789"
        // in the catalogue of CRCs.
        assert_eq!(KeyHash::Xxh3.of_bytes(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(KeyHash::Crc32.of_bytes(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn an_address_is_one_key_in_either_notation() {
        for hash in [KeyHash::Xxh3, KeyHash::Crc32] {
            let of = |text: &str| hash.of_address(text.parse().unwrap());
            assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
            assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
            assert_ne!(of("2001:db8::1"), of("2001:db8::2"));
        }
        let text = "1111:2222:3333:4444:5555:6666:7777:8888";
        let address = text.parse().unwrap();
        assert_eq!(KeyHash::Crc32.of_address(address), KeyHash::Crc32.of_bytes(text.as_bytes()));
        let address = "192.0.2.7".parse().unwrap();
        assert_eq!(KeyHash::Crc32.of_address(address), KeyHash::Crc32.of_bytes(b"192.0.2.7"));
        assert_eq!(KeyHash::Xxh3.of_address(address), KeyHash::Xxh3.of_bytes(&[192, 0, 2, 7]));
    }
}
