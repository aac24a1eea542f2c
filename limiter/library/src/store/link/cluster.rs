//! Which server of a cluster holds which slots.
//!
//! Job: read what a cluster says about itself. In: answers to `CLUSTER SLOTS`, `MOVED` and `ASK` errors.
//! Out: a table from slot to server; addresses. Invariant: an answer is taken as a whole or not at all.

use ringlet_base::slot::{SLOT_COUNT, slot};
use ringlet_protocol::Value;

/// As many as a cluster is recommended to have.
pub(super) const PRIMARIES_MAX: usize = 1000;

/// Slots in a row with one primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    first: u16,
    last: u16,
    pub(super) address: String,
}

/// From slot to the number of a server.
#[derive(Debug, Default)]
pub(super) struct SlotTable {
    /// First slot, last slot, server; in order.
    stretches: Vec<(u16, u16, usize)>,
}

impl SlotTable {
    /// The table of these stretches, each with its server.
    pub(super) fn new(stretches: impl Iterator<Item = (Stretch, usize)>) -> Self {
        let mut stretches: Vec<_> =
            stretches.map(|(stretch, server)| (stretch.first, stretch.last, server)).collect();
        stretches.sort_unstable();
        Self { stretches }
    }

    /// The server of a key; `None` if nobody has its slot.
    pub(super) fn server_of(&self, key: &[u8]) -> Option<usize> {
        let slot = slot(key);
        let after = self.stretches.partition_point(|(first, ..)| *first <= slot);
        let (_, last, server) = *self.stretches.get(after.checked_sub(1)?)?;
        (slot <= last).then_some(server)
    }
}

/// Reads an answer to `CLUSTER SLOTS` of the server at `asked`. `None`: it is none, or too large.
pub(super) fn read_slots(answer: &Value, asked: &str) -> Option<Vec<Stretch>> {
    let Value::Array(rows) = answer else { return None };
    let stretches: Vec<Stretch> =
        rows.iter().map(|row| read_stretch(row, asked)).collect::<Option<_>>()?;
    let mut addresses: Vec<&str> = stretches.iter().map(|stretch| &*stretch.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    (addresses.len() <= PRIMARIES_MAX).then_some(stretches)
}

/// `[first, last, [host, port, ...], ...]`: the first server is the primary.
fn read_stretch(row: &Value, asked: &str) -> Option<Stretch> {
    let Value::Array(row) = row else { return None };
    let [Value::Integer(first), Value::Integer(last), Value::Array(primary), ..] = &row[..] else {
        return None;
    };
    let (host, port) = match &primary[..] {
        [Value::Bulk(host), Value::Integer(port), ..] => (std::str::from_utf8(host).ok()?, port),
        [Value::NullBulk, Value::Integer(port), ..] => ("", port),
        _ => return None,
    };
    let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
    if first > last || last >= SLOT_COUNT {
        return None;
    }
    Some(Stretch { first, last, address: address_of(host, &port.to_string(), asked)? })
}

/// The address in `MOVED 3999 host:port`, or in an `ASK` like it, of the server at `asked`.
pub(super) fn redirected_to(error: &str, asked: &str) -> Option<String> {
    let (host, port) = error.split(' ').nth(2)?.rsplit_once(':')?;
    address_of(host, port, asked)
}

/// `host:port`. Without a host it is that of the server that was asked.
fn address_of(host: &str, port: &str, asked: &str) -> Option<String> {
    port.parse::<u16>().ok()?;
    Some(match host {
        "?" => return None,
        host if !host.bytes().all(|byte| byte.is_ascii_graphic()) => return None,
        "" => format!("{}:{port}", asked.rsplit_once(':')?.0),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    fn row(first: i64, last: i64, host: Value, port: i64) -> Value {
        let server = Value::Array(vec![host, Value::Integer(port), bulk("id")]);
        Value::Array(vec![Value::Integer(first), Value::Integer(last), server.clone(), server])
    }

    #[test]
    fn keys_find_the_primary_of_their_slot() {
        let answer = Value::Array(vec![
            row(12_000, 16_383, bulk("::1"), 7003),
            row(0, 5000, bulk("a.example"), 7001),
            row(5001, 11_000, Value::NullBulk, 7002),
        ]);
        let stretches = read_slots(&answer, "10.0.0.1:7009").expect("well formed");
        let addresses: Vec<_> = stretches.iter().map(|stretch| stretch.address.clone()).collect();
        assert_eq!(addresses, ["[::1]:7003", "a.example:7001", "10.0.0.1:7002"]);
        let table = SlotTable::new(stretches.into_iter().zip([3, 1, 2]));
        // Slots 12182, 2515, 5061 (as in ringlet_base::slot), and 11058, which nobody has.
        assert_eq!(table.server_of(b"foo"), Some(3));
        assert_eq!(table.server_of(b"rl:{hash_tag}:9"), Some(1));
        assert_eq!(table.server_of(b"bar"), Some(2));
        assert_eq!(table.server_of(b"somekey"), None);
        assert_eq!(SlotTable::default().server_of(b"foo"), None);
    }

    #[test]
    fn what_is_no_table_is_refused_as_a_whole() {
        for bad in [
            Value::Error(b"ERR This instance has cluster support disabled".to_vec()),
            Value::Array(vec![row(0, 5000, bulk("a"), 1), Value::Integer(1)]),
            Value::Array(vec![row(5000, 0, bulk("a"), 1)]),
            Value::Array(vec![row(0, 16_384, bulk("a"), 1)]),
            Value::Array(vec![row(-1, 5, bulk("a"), 1)]),
            Value::Array(vec![row(0, 5, bulk("a"), 70_000)]),
            Value::Array(vec![row(0, 5, bulk("?"), 1)]),
            Value::Array(vec![row(0, 5, Value::Integer(1), 1)]),
            Value::Array(vec![Value::Array(vec![])]),
            Value::Array((0..=PRIMARIES_MAX as i64).map(|n| row(n, n, bulk("a"), n)).collect()),
        ] {
            assert_eq!(read_slots(&bad, "a:1"), None, "{bad:?}");
        }
    }

    #[test]
    fn redirections_name_an_address() {
        let to = |error| redirected_to(error, "h:1");
        assert_eq!(to("MOVED 3999 127.0.0.1:6381").as_deref(), Some("127.0.0.1:6381"));
        assert_eq!(to("ASK 3999 ::1:6381").as_deref(), Some("[::1]:6381"));
        assert_eq!(to("MOVED 3999 :6381").as_deref(), Some("h:6381"));
        for bad in [
            "MOVED",
            "MOVED 1",
            "MOVED 1 a",
            "MOVED 1 a:b",
            "MOVED 1 ?:6381",
            "MOVED 1 a:",
            "MOVED 1 a\nb:1",
        ] {
            assert_eq!(to(bad), None, "{bad}");
        }
    }
}
