//! Job: tell which of the 16384 slots a key belongs to.
//! In: the bytes of a key. Out: a slot number below [`SLOT_COUNT`].
//! Invariant: the same function as Redis Cluster's, so that cluster clients reach the owning core.

use memchr::memchr;

/// Number of slots of the keyspace (Redis Cluster specification, "Key distribution model").
pub const SLOT_COUNT: u16 = 16384;

/// Bytes that one step of the checksum takes in.
const STRIDE: usize = 8;

/// `TABLES[k][b]` is the checksum of the byte `b` followed by `k` zero bytes. With it the eight
/// bytes of a stride are looked up independently of each other instead of one after the other.
static TABLES: [[u16; 256]; STRIDE] = tables();

const fn tables() -> [[u16; 256]; STRIDE] {
    let mut tables = [[0u16; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < STRIDE {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[zeros - 1][byte];
            tables[zeros][byte] = (crc << 8) ^ tables[0][(crc >> 8) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// CRC16 in its XMODEM form (polynomial 0x1021, initial value 0, nothing reflected).
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    let mut strides = bytes.chunks_exact(STRIDE);
    for stride in &mut strides {
        let [high, low] = crc.to_be_bytes();
        crc = TABLES[7][(stride[0] ^ high) as usize]
            ^ TABLES[6][(stride[1] ^ low) as usize]
            ^ TABLES[5][stride[2] as usize]
            ^ TABLES[4][stride[3] as usize]
            ^ TABLES[3][stride[4] as usize]
            ^ TABLES[2][stride[5] as usize]
            ^ TABLES[1][stride[6] as usize]
            ^ TABLES[0][stride[7] as usize];
    }
    for &byte in strides.remainder() {
        crc = (crc << 8) ^ TABLES[0][((crc >> 8) as u8 ^ byte) as usize];
    }
    crc
}

/// The part of a key that decides its slot: what stands between the first `{` and the first `}`
/// after it, unless that is nothing or one of the two is missing, in which case it is the whole
/// key.
#[must_use]
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr(b'{', key) else { return key };
    let inner = &key[open + 1..];
    match memchr(b'}', inner) {
        Some(length) if length > 0 => &inner[..length],
        _ => key,
    }
}

/// The slot of a key: `crc16(hash_tag(key)) mod SLOT_COUNT`.
#[must_use]
pub fn slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) % SLOT_COUNT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, bit by bit.
    fn crc16_by_definition(bytes: &[u8]) -> u16 {
        let mut crc = 0u16;
        for &byte in bytes {
            crc ^= u16::from(byte) << 8;
            for _ in 0..8 {
                crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            }
        }
        crc
    }

    #[test]
    fn check_value_of_xmodem() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn strides_agree_with_the_definition_at_every_length() {
        let bytes: Vec<u8> = (0..200u32).map(|i| (i * 167 + 13) as u8).collect();
        for length in 0..bytes.len() {
            assert_eq!(crc16(&bytes[..length]), crc16_by_definition(&bytes[..length]), "{length}");
        }
    }

    #[test]
    fn slots_equal_those_of_cluster_keyslot() {
        for (key, expected) in [
            (&b"foo"[..], 12182),
            (b"bar", 5061),
            (b"", 0),
            (b"somekey", 11058),
            (b"foo{hash_tag}", 2515),
            (b"bar{hash_tag}", 2515),
        ] {
            assert_eq!(slot(key), expected, "{key:?}");
        }
    }

    #[test]
    fn hash_tag_rule() {
        assert_eq!(hash_tag(b"{user1000}.following"), b"user1000");
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hash_tag(b"}a{b}"), b"b");
        assert_eq!(hash_tag(b"open{only"), b"open{only");
        assert_eq!(hash_tag(b"{"), b"{");
    }
}
