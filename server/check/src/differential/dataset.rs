//! Job: everything a server holds, in a form that two servers can be compared by.
//! In: a connection. Out: for each database and key its type, encoding, expire time and value.
//! Invariant: reading changes nothing.

use std::collections::BTreeMap;
use std::io;

use crate::value::{Value, quoted};
use crate::wire::Wire;

use super::compare::{Rule, agree, sorted};
use super::exceptions;

/// Databases that are looked at; the rows select none above.
const DATABASES: usize = 16;

/// One key with all that can be seen of it.
#[derive(Clone, Debug)]
struct Entry {
    kind: Value,
    encoding: Value,
    expires: Value,
    value: Value,
}

/// All keys of all databases.
#[derive(Clone, Debug)]
pub struct Dataset {
    entries: BTreeMap<(usize, Vec<u8>), Entry>,
    sizes: Vec<Value>,
}

impl Dataset {
    /// Reads everything through `wire`, which afterwards has database 0 selected.
    ///
    /// # Errors
    /// The socket's error.
    pub fn read(wire: &mut Wire) -> io::Result<Self> {
        let mut dataset = Self { entries: BTreeMap::new(), sizes: Vec::new() };
        for database in 0..DATABASES {
            wire.call(&["SELECT", &database.to_string()])?;
            dataset.sizes.push(wire.call(&["DBSIZE"])?);
            for key in wire.call(&["KEYS", "*"])?.into_items() {
                let key = key.bytes().unwrap_or_default().to_vec();
                let entry = Entry::read(wire, &key)?;
                dataset.entries.insert((database, key), entry);
            }
        }
        wire.call(&["SELECT", "0"])?;
        Ok(dataset)
    }

    /// What differs in `tested`, in words: where, expected, got. `sizes`: whether DBSIZE counts.
    pub fn difference(&self, tested: &Self, sizes: bool) -> Option<(String, String, String)> {
        let keys = self.entries.keys().chain(tested.entries.keys());
        for key in keys {
            let name = format!("database {}, key {}", key.0, quoted(&key.1));
            match (self.entries.get(key), tested.entries.get(key)) {
                (Some(expected), Some(got)) => {
                    if let Some((what, expected, got)) = expected.difference(got) {
                        return Some((format!("{name}: {what}"), expected, got));
                    }
                }
                (expected, got) => {
                    let there = |entry: Option<&Entry>| match entry {
                        Some(entry) => entry.kind.to_string(),
                        None => "no such key".to_owned(),
                    };
                    return Some((name, there(expected), there(got)));
                }
            }
        }
        let show =
            |sizes: &[Value]| sizes.iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
        (sizes && self.sizes != tested.sizes)
            .then(|| ("DBSIZE of the databases".to_owned(), show(&self.sizes), show(&tested.sizes)))
    }
}

impl Entry {
    fn read(wire: &mut Wire, key: &[u8]) -> io::Result<Self> {
        let kind = wire.call(&[b"TYPE".as_slice(), key])?;
        let encoding = wire.call(&[b"OBJECT".as_slice(), b"ENCODING", key])?;
        let expires = wire.call(&[b"PEXPIRETIME".as_slice(), key])?;
        let query: &[&[u8]] = match kind.text().as_str() {
            "string" => &[b"GET", key],
            "list" => &[b"LRANGE", key, b"0", b"-1"],
            "hash" => &[b"HGETALL", key],
            "set" => &[b"SMEMBERS", key],
            _ => &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
        };
        Ok(Self { value: wire.call(query)?, kind, encoding, expires })
    }

    fn difference(&self, tested: &Self) -> Option<(&'static str, String, String)> {
        let rule = match self.kind.text().as_str() {
            "hash" => Rule::Pairs,
            "set" => Rule::Set,
            "zset" => Rule::Scores,
            _ => Rule::Exact,
        };
        let show = |value: &Value| sorted(value.clone()).to_string();
        if self.kind != tested.kind {
            return Some(("type", show(&self.kind), show(&tested.kind)));
        }
        if !agree(rule, &self.value, &tested.value) {
            return Some(("value", show(&self.value), show(&tested.value)));
        }
        if !agree(Rule::Time, &self.expires, &tested.expires) {
            return Some(("expire time", show(&self.expires), show(&tested.expires)));
        }
        let items = tested.value.items().unwrap_or_default();
        let kind = self.kind.text();
        (!exceptions::same_encoding_of(&kind, &self.encoding, &tested.encoding, items))
            .then(|| ("encoding", show(&self.encoding), show(&tested.encoding)))
    }
}
