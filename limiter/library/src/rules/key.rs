//! The texts and hashes that counters are found by.
//!
//! Job: write the text of a key. In: the head that names the limit, and parts. Out: a text of visible
//! ASCII that can stand in a key of the store, a log line and a page. Invariant: under one head, two
//! different lists of as many parts never have one text (but for a hash of 128 bits where they are long),
//! and no text is longer than [`KEY_BYTES_MAX`].

use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use ahash::RandomState;
use xxhash_rust::xxh3::xxh3_128;

use crate::request::GivenLimit;

/// Bytes of the longest text. Longer ones have a hash in the place of their parts.
pub const KEY_BYTES_MAX: usize = 256;

/// Bytes that stand for themselves: visible ASCII without what parts parts (`|`), what escapes (`%`) and
/// what begins a hash (`#`).
const IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut byte = 0x21;
    while byte <= 0x7e {
        is_plain[byte] = !matches!(byte as u8, b'|' | b'%' | b'#');
        byte += 1;
    }
    is_plain
};

/// A text that is being written at the end of a buffer.
#[derive(Debug)]
pub(super) struct KeyWriter<'a> {
    text: &'a mut Vec<u8>,
    start: usize,
    parts_start: usize,
    has_part: bool,
}

impl<'a> KeyWriter<'a> {
    /// A text that begins with `head`, which ends in a colon.
    pub(super) fn new(text: &'a mut Vec<u8>, head: &[u8]) -> Self {
        let start = text.len();
        text.extend_from_slice(head);
        let parts_start = text.len();
        Self { text, start, parts_start, has_part: false }
    }

    /// The text of a limit that a request has brought along.
    pub(super) fn given(text: &'a mut Vec<u8>, limit: &GivenLimit) -> Self {
        let GivenLimit { algorithm, count, period_ns, burst } = limit;
        let start = text.len();
        // Writing to a `Vec` cannot fail.
        let _ = write!(text, "given/{}/{count}/{period_ns}/{burst}:", algorithm.name);
        let parts_start = text.len();
        Self { text, start, parts_start, has_part: false }
    }

    fn separate(&mut self) {
        if self.has_part {
            self.text.push(b'|');
        }
        self.has_part = true;
    }

    /// Adds a part.
    pub(super) fn part(&mut self, part: &[u8]) {
        self.separate();
        escape(self.text, part);
    }

    /// Adds what is common to all values with this beginning.
    pub(super) fn prefix(&mut self, prefix: &[u8]) {
        self.part(prefix);
        self.text.push(b'*');
    }

    /// Adds a network: this address with so many bits of it. All bits are the address alone.
    pub(super) fn network(&mut self, address: IpAddr, ipv4_bits: u8, ipv6_bits: u8) {
        self.separate();
        match address {
            IpAddr::V4(address) => {
                let bits = ipv4_bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                write_ipv4(self.text, Ipv4Addr::from_bits(address.to_bits() & mask));
                self.length(bits, 32);
            }
            IpAddr::V6(address) => {
                let bits = ipv6_bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                // Writing to a `Vec` cannot fail.
                let _ = write!(self.text, "{}", Ipv6Addr::from_bits(address.to_bits() & mask));
                self.length(bits, 128);
            }
        }
    }

    fn length(&mut self, bits: u8, bits_max: u8) {
        if bits < bits_max {
            self.text.push(b'/');
            write_decimal(self.text, bits);
        }
    }

    /// The text's place in the buffer.
    pub(super) fn finish(self) -> Range<usize> {
        if self.text.len() - self.start > KEY_BYTES_MAX {
            // The hash is the same on all nodes, so it has no secret, and values with one hash can be
            // found. Whoever may choose the value of a key could as well send the value itself.
            let hash = xxh3_128(&self.text[self.parts_start..]);
            self.text.truncate(self.parts_start);
            let _ = write!(self.text, "#{hash:032x}");
        }
        self.start..self.text.len()
    }

    /// Takes the parts back.
    pub(super) fn restart(&mut self) {
        self.text.truncate(self.parts_start);
        self.has_part = false;
    }

    /// Takes the text back.
    pub(super) fn abandon(self) {
        self.text.truncate(self.start);
    }
}

/// Writes `bytes` so that they are visible ASCII without `|`, `%` and `#`.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| !IS_PLAIN[usize::from(byte)]) {
        out.extend_from_slice(&rest[..at]);
        let digit = |bits: u8| b"0123456789ABCDEF"[usize::from(bits)];
        out.extend([b'%', digit(rest[at] >> 4), digit(rest[at] & 15)]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn write_ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        write_decimal(out, octet);
    }
}

fn write_decimal(out: &mut Vec<u8>, number: u8) {
    if number >= 100 {
        out.push(b'0' + number / 100);
    }
    if number >= 10 {
        out.push(b'0' + number / 10 % 10);
    }
    out.push(b'0' + number % 10);
}

/// The hash of a key. The slot goes in too: a rule whose numbers have changed has other counters.
pub(super) fn hash(state: &RandomState, slot: u32, text: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write_u32(slot);
    hasher.write(text);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(parts: &[Vec<u8>]) -> String {
        let mut out = b"before".to_vec();
        let mut key = KeyWriter::new(&mut out, b"rule:");
        parts.iter().for_each(|part| key.part(part));
        let range = key.finish();
        assert_eq!(range.start, 6);
        String::from_utf8(out[range].to_vec()).expect("ASCII")
    }

    fn network(address: &str, ipv4_bits: u8, ipv6_bits: u8) -> String {
        let mut out = Vec::new();
        let mut key = KeyWriter::new(&mut out, b"");
        key.network(address.parse().expect("address"), ipv4_bits, ipv6_bits);
        key.finish();
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn parts_are_parted_and_escaped() {
        for (parts, expected) in [
            (&[][..], "rule:"),
            (&["alice"], "rule:alice"),
            (&["192.0.2.1", "GET", "/users/{id}"], "rule:192.0.2.1|GET|/users/{id}"),
            (&["a|b"], "rule:a%7Cb"),
            (&["", ""], "rule:|"),
            (&["100%", "#1", "a b\r\n\0\x7f"], "rule:100%25|%231|a%20b%0D%0A%00%7F"),
            (&["\u{e4}:*~!"], "rule:%C3%A4:*~!"),
        ] {
            let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.as_bytes().to_vec()).collect();
            assert_eq!(text(&parts), expected);
        }
    }

    #[test]
    fn a_long_text_is_a_hash() {
        let longest = vec![b'a'; KEY_BYTES_MAX - 5];
        assert_eq!(text(std::slice::from_ref(&longest)).len(), KEY_BYTES_MAX);
        let one = text(&[longest.clone(), vec![]]);
        let other = text(&[longest, b"b".to_vec()]);
        for hashed in [&one, &other] {
            assert!(hashed.starts_with("rule:#"), "{hashed}");
            assert_eq!(hashed.len(), 5 + 1 + 32);
        }
        assert_ne!(one, other);
    }

    #[test]
    fn networks_are_written_with_their_length() {
        for (address, ipv4_bits, ipv6_bits, expected) in [
            ("192.0.2.109", 32, 64, "192.0.2.109"),
            ("192.0.2.109", 24, 64, "192.0.2.0/24"),
            ("192.0.2.109", 0, 64, "0.0.0.0/0"),
            ("255.255.255.255", 31, 64, "255.255.255.254/31"),
            ("2001:db8:1:2:3:4:5:6", 32, 64, "2001:db8:1:2::/64"),
            ("2001:db8::1", 32, 64, "2001:db8::/64"),
            ("2001:db8::1", 32, 128, "2001:db8::1"),
            ("2001:db8::1", 32, 0, "::/0"),
            ("2001:db8:ffff::1", 32, 33, "2001:db8:8000::/33"),
        ] {
            assert_eq!(network(address, ipv4_bits, ipv6_bits), expected);
        }
    }

    fn unescaped(part: &str) -> Vec<u8> {
        let mut pieces = part.split('%');
        let mut out = pieces.next().unwrap_or_default().as_bytes().to_vec();
        for piece in pieces {
            let (digits, rest) = piece.split_at(2);
            out.push(u8::from_str_radix(digits, 16).expect("digits"));
            out.extend_from_slice(rest.as_bytes());
        }
        out
    }

    fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let byte =
            prop_oneof![Just(b'|'), Just(b'%'), Just(b'#'), Just(b'7'), Just(b'C'), any::<u8>()];
        prop::collection::vec(prop::collection::vec(byte, 0..6), 1..4)
    }

    proptest! {
        #[test]
        fn a_text_says_which_parts_it_has(parts in parts()) {
            // What can be read back is no other list's text.
            let text = text(&parts);
            let read: Vec<Vec<u8>> = text["rule:".len()..].split('|').map(unescaped).collect();
            prop_assert_eq!(read, parts);
        }

        #[test]
        fn a_text_is_visible_and_short(
            part in prop::collection::vec(any::<u8>(), 0..400),
            address in any::<u128>(),
            bits in any::<u8>(),
        ) {
            let text = text(&[part]);
            prop_assert!(text.len() <= KEY_BYTES_MAX);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{}", text);
            let written = network(&Ipv6Addr::from_bits(address).to_string(), bits, bits);
            let whole = if bits >= 128 { format!("{written}/128") } else { written };
            let network: ipnet::Ipv6Net = whole.parse().expect("a network");
            prop_assert!(network.contains(&Ipv6Addr::from_bits(address)));
            prop_assert_eq!(network.trunc(), network);
        }
    }
}
