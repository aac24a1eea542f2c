//! Job: say what a data store with one thread would answer: the reference of [`super::linear`].
//! In: requests, one after the other. Out: replies, as Redis 7 gives them.
//! Invariant: executing a request is a function of the store alone; equal stores answer equally.
//! It knows just the commands whose atomicity is checked: strings, lists, sets, the generic
//! multi-key commands, transactions with WATCH. Whole ranges only, no expiry.

use std::collections::{BTreeMap, BTreeSet};

use super::Request;
use crate::client::Reply;

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A string.
    Text(String),
    /// A list; never empty.
    List(Vec<String>),
    /// A set; never empty.
    Set(BTreeSet<String>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Watch {
    keys: BTreeSet<String>,
    broken: bool,
}

/// All keys, and what each session watches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Store {
    values: BTreeMap<String, Value>,
    watches: BTreeMap<usize, Watch>,
}

/// The answer of a command that met a value of another type, or bad arguments.
type Outcome = Result<Reply, Reply>;

impl Store {
    /// The number of keys.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True without any key.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Executes what `session` asks for.
    pub fn execute(&mut self, session: usize, request: &Request) -> Reply {
        match request {
            Request::Command(words) => self.command(session, words),
            Request::Transaction(commands) => {
                if self.watches.remove(&session).is_some_and(|watch| watch.broken) {
                    return Reply::Null;
                }
                Reply::Array(commands.iter().map(|words| self.command(session, words)).collect())
            }
        }
    }

    fn command(&mut self, session: usize, words: &[String]) -> Reply {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some((name, arguments)) = words.split_first() else {
            return Reply::Error("ERR empty command".to_owned());
        };
        let outcome = match *name {
            "WATCH" => Ok(self.watch(session, arguments)),
            "UNWATCH" => {
                self.watches.remove(&session);
                Ok(Reply::ok())
            }
            "GET" | "SET" | "SETNX" | "GETDEL" | "INCRBY" | "APPEND" | "MSET" | "MSETNX"
            | "MGET" => self.string_command(name, arguments),
            "DEL" | "EXISTS" | "RENAME" | "RENAMENX" | "COPY" => {
                self.generic_command(name, arguments)
            }
            "RPUSH" | "LPUSH" | "LPOP" | "RPOP" | "LLEN" | "LRANGE" | "LMOVE" => {
                self.list_command(name, arguments)
            }
            _ => self.set_command(name, arguments),
        };
        outcome.unwrap_or_else(|error| error)
    }

    fn watch(&mut self, session: usize, keys: &[&str]) -> Reply {
        let watch = self.watches.entry(session).or_default();
        watch.keys.extend(keys.iter().map(|&key| key.to_owned()));
        Reply::ok()
    }

    /// Every change of a key passes here: it breaks the watches on it.
    fn touch(&mut self, key: &str) {
        for watch in self.watches.values_mut() {
            watch.broken |= watch.keys.contains(key);
        }
    }

    fn put(&mut self, key: &str, value: Value) {
        self.values.insert(key.to_owned(), value);
        self.touch(key);
    }

    fn remove(&mut self, key: &str) -> Option<Value> {
        let removed = self.values.remove(key);
        if removed.is_some() {
            self.touch(key);
        }
        removed
    }

    fn text(&self, key: &str) -> Result<Option<&str>, Reply> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type()),
        }
    }

    fn list(&self, key: &str) -> Result<Vec<String>, Reply> {
        match self.values.get(key) {
            None => Ok(Vec::new()),
            Some(Value::List(items)) => Ok(items.clone()),
            Some(_) => Err(wrong_type()),
        }
    }

    fn set(&self, key: &str) -> Result<BTreeSet<String>, Reply> {
        match self.values.get(key) {
            None => Ok(BTreeSet::new()),
            Some(Value::Set(members)) => Ok(members.clone()),
            Some(_) => Err(wrong_type()),
        }
    }

    fn put_list(&mut self, key: &str, items: Vec<String>) {
        if items.is_empty() {
            self.remove(key);
        } else {
            self.put(key, Value::List(items));
        }
    }

    fn put_set(&mut self, key: &str, members: BTreeSet<String>) {
        if members.is_empty() {
            self.remove(key);
        } else {
            self.put(key, Value::Set(members));
        }
    }

    fn string_command(&mut self, name: &str, arguments: &[&str]) -> Outcome {
        let reply = match (name, arguments) {
            ("GET", [key]) => self.text(key)?.map_or(Reply::Null, Reply::bulk),
            ("SET", [key, text]) => {
                self.put(key, Value::Text((*text).to_owned()));
                Reply::ok()
            }
            ("SETNX", [key, text]) => {
                let free = !self.values.contains_key(*key);
                if free {
                    self.put(key, Value::Text((*text).to_owned()));
                }
                Reply::Integer(free.into())
            }
            ("GETDEL", [key]) => {
                let reply = self.text(key)?.map_or(Reply::Null, Reply::bulk);
                self.remove(key);
                reply
            }
            ("INCRBY", [key, step]) => {
                let not_an_integer =
                    || Reply::Error("ERR value is not an integer or out of range".to_owned());
                let number = |text: &str| text.parse::<i64>().map_err(|_| not_an_integer());
                let before = self.text(key)?.map_or(Ok(0), number)?;
                let after = before.checked_add(number(step)?).ok_or_else(not_an_integer)?;
                self.put(key, Value::Text(after.to_string()));
                Reply::Integer(after)
            }
            ("APPEND", [key, text]) => {
                let joined = self.text(key)?.unwrap_or_default().to_owned() + text;
                let length = joined.len() as i64;
                self.put(key, Value::Text(joined));
                Reply::Integer(length)
            }
            ("MGET", keys) => {
                let read = |key: &&str| match self.values.get(*key) {
                    Some(Value::Text(text)) => Reply::bulk(text),
                    _ => Reply::Null,
                };
                Reply::Array(keys.iter().map(read).collect())
            }
            ("MSET" | "MSETNX", pairs) if !pairs.is_empty() && pairs.len() % 2 == 0 => {
                let free = pairs.chunks(2).all(|pair| !self.values.contains_key(pair[0]));
                if name == "MSETNX" && !free {
                    return Ok(Reply::Integer(0));
                }
                for pair in pairs.chunks(2) {
                    self.put(pair[0], Value::Text(pair[1].to_owned()));
                }
                if name == "MSET" { Reply::ok() } else { Reply::Integer(1) }
            }
            _ => return Err(unknown(name)),
        };
        Ok(reply)
    }

    fn generic_command(&mut self, name: &str, arguments: &[&str]) -> Outcome {
        let reply = match (name, arguments) {
            ("DEL", keys) => {
                Reply::Integer(keys.iter().filter(|key| self.remove(key).is_some()).count() as i64)
            }
            ("EXISTS", keys) => {
                let there = keys.iter().filter(|&&key| self.values.contains_key(key));
                Reply::Integer(there.count() as i64)
            }
            ("RENAME" | "RENAMENX", [from, to]) => {
                if !self.values.contains_key(*from) {
                    return Err(Reply::Error("ERR no such key".to_owned()));
                }
                let plain = name == "RENAME";
                if !plain && self.values.contains_key(*to) {
                    return Ok(Reply::Integer(0));
                }
                if from != to
                    && let Some(value) = self.remove(from)
                {
                    self.put(to, value);
                }
                if plain { Reply::ok() } else { Reply::Integer(1) }
            }
            ("COPY", [from, to, options @ ..]) => {
                let replace = options == ["REPLACE"];
                if from == to {
                    return Err(Reply::Error(
                        "ERR source and destination objects are the same".to_owned(),
                    ));
                }
                match self.values.get(*from).cloned() {
                    Some(value) if replace || !self.values.contains_key(*to) => {
                        self.put(to, value);
                        Reply::Integer(1)
                    }
                    _ => Reply::Integer(0),
                }
            }
            _ => return Err(unknown(name)),
        };
        Ok(reply)
    }

    fn list_command(&mut self, name: &str, arguments: &[&str]) -> Outcome {
        let reply = match (name, arguments) {
            ("RPUSH" | "LPUSH", [key, items @ ..]) if !items.is_empty() => {
                let mut list = self.list(key)?;
                for &item in items {
                    list.insert(if name == "RPUSH" { list.len() } else { 0 }, item.to_owned());
                }
                let length = list.len() as i64;
                self.put_list(key, list);
                Reply::Integer(length)
            }
            ("LPOP" | "RPOP", [key]) => {
                let mut list = self.list(key)?;
                match take(&mut list, name == "LPOP") {
                    None => Reply::Null,
                    Some(item) => {
                        self.touch(key);
                        self.put_list(key, list);
                        Reply::bulk(item)
                    }
                }
            }
            ("LLEN", [key]) => Reply::Integer(self.list(key)?.len() as i64),
            ("LRANGE", [key, "0", "-1"]) => {
                Reply::Array(self.list(key)?.iter().map(Reply::bulk).collect())
            }
            ("LMOVE", [from, to, from_end, to_end]) => {
                let mut source = self.list(from)?;
                if source.is_empty() {
                    return Ok(Reply::Null);
                }
                self.list(to)?;
                let Some(item) = take(&mut source, *from_end == "LEFT") else {
                    return Ok(Reply::Null);
                };
                self.touch(from);
                self.put_list(from, source);
                let mut target = self.list(to)?;
                target.insert(if *to_end == "LEFT" { 0 } else { target.len() }, item.clone());
                self.put_list(to, target);
                Reply::bulk(item)
            }
            _ => return Err(unknown(name)),
        };
        Ok(reply)
    }

    fn set_command(&mut self, name: &str, arguments: &[&str]) -> Outcome {
        let reply = match (name, arguments) {
            ("SADD" | "SREM", [key, members @ ..]) if !members.is_empty() => {
                let mut set = self.set(key)?;
                let before = set.len();
                for &member in members {
                    if name == "SADD" {
                        set.insert(member.to_owned());
                    } else {
                        set.remove(member);
                    }
                }
                let changed = set.len().abs_diff(before);
                if changed > 0 {
                    self.put_set(key, set);
                }
                Reply::Integer(changed as i64)
            }
            ("SCARD", [key]) => Reply::Integer(self.set(key)?.len() as i64),
            ("SMEMBERS", [key]) => Reply::Array(self.set(key)?.iter().map(Reply::bulk).collect()),
            ("SMOVE", [from, to, member]) => {
                let mut source = self.set(from)?;
                if source.is_empty() {
                    return Ok(Reply::Integer(0));
                }
                let mut target = self.set(to)?;
                let found = source.remove(*member);
                if found && from != to {
                    self.put_set(from, source);
                    if target.insert((*member).to_owned()) {
                        self.put_set(to, target);
                    }
                }
                Reply::Integer(found.into())
            }
            ("SUNION" | "SINTER" | "SDIFF", keys) if !keys.is_empty() => {
                Reply::Array(self.combine(name, keys)?.iter().map(Reply::bulk).collect())
            }
            ("SUNIONSTORE" | "SINTERSTORE" | "SDIFFSTORE", [to, keys @ ..]) if !keys.is_empty() => {
                let result = self.combine(name.trim_end_matches("STORE"), keys)?;
                let size = result.len() as i64;
                self.put_set(to, result);
                Reply::Integer(size)
            }
            _ => return Err(unknown(name)),
        };
        Ok(reply)
    }

    fn combine(&self, operation: &str, keys: &[&str]) -> Result<BTreeSet<String>, Reply> {
        let sets = keys.iter().map(|key| self.set(key)).collect::<Result<Vec<_>, _>>()?;
        let mut rest = sets.into_iter();
        let first = rest.next().unwrap_or_default();
        Ok(rest.fold(first, |result, set| match operation {
            "SUNION" => result.union(&set).cloned().collect(),
            "SINTER" => result.intersection(&set).cloned().collect(),
            _ => result.difference(&set).cloned().collect(),
        }))
    }
}

/// True if `seen` is what the store answered, up to the order of set members and the wording of
/// errors behind their code.
pub fn same_reply(request: &Request, expected: &Reply, seen: &Reply) -> bool {
    match (request, expected, seen) {
        (Request::Transaction(commands), Reply::Array(expected), Reply::Array(seen)) => {
            expected.len() == seen.len()
                && commands.len() == seen.len()
                && (commands.iter().zip(expected).zip(seen))
                    .all(|((words, expected), seen)| same_single(words, expected, seen))
        }
        (Request::Transaction(_), expected, seen) => expected == seen,
        (Request::Command(words), expected, seen) => same_single(words, expected, seen),
    }
}

fn same_single(words: &[String], expected: &Reply, seen: &Reply) -> bool {
    match (expected, seen) {
        (Reply::Error(expected), Reply::Error(seen)) => {
            expected.split(' ').next() == seen.split(' ').next()
        }
        (Reply::Array(expected), Reply::Array(seen)) if unordered(&words[0]) => {
            let sorted = |items: &[Reply]| {
                let mut items = items.to_vec();
                items.sort_unstable();
                items
            };
            sorted(expected) == sorted(seen)
        }
        _ => expected == seen,
    }
}

fn unordered(name: &str) -> bool {
    matches!(name, "SMEMBERS" | "SUNION" | "SINTER" | "SDIFF")
}

fn take(list: &mut Vec<String>, left: bool) -> Option<String> {
    if left && !list.is_empty() { Some(list.remove(0)) } else { list.pop() }
}

fn wrong_type() -> Reply {
    Reply::Error("WRONGTYPE Operation against a key holding the wrong kind of value".to_owned())
}

fn unknown(name: &str) -> Reply {
    Reply::Error(format!("ERR the reference store does not know this form of {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(store: &mut Store, text: &str) -> Reply {
        let words: Vec<&str> = text.split(' ').collect();
        store.execute(1, &Request::command(&words))
    }

    #[test]
    fn an_emptied_list_is_gone() {
        let mut store = Store::default();
        run(&mut store, "RPUSH l a");
        assert_eq!(run(&mut store, "LMOVE l m LEFT RIGHT"), Reply::bulk("a"));
        assert_eq!(run(&mut store, "EXISTS l m"), Reply::Integer(1));
        assert_eq!(run(&mut store, "LMOVE m m LEFT RIGHT"), Reply::bulk("a"));
        assert_eq!(run(&mut store, "LRANGE m 0 -1"), Reply::Array(vec![Reply::bulk("a")]));
    }

    #[test]
    fn a_wrong_type_changes_nothing() {
        let mut store = Store::default();
        run(&mut store, "SET s 1");
        let before = store.clone();
        assert_eq!(run(&mut store, "RPUSH s a"), wrong_type());
        assert_eq!(run(&mut store, "SUNIONSTORE s s"), wrong_type());
        assert_eq!(store, before);
    }

    #[test]
    fn exec_fails_only_after_a_change_of_a_watched_key() {
        let mut store = Store::default();
        let exec = Request::transaction(&[&["INCRBY", "a", "1"]]);
        run(&mut store, "WATCH a b");
        store.execute(2, &Request::command(&["DEL", "b"]));
        assert_eq!(store.execute(1, &exec), Reply::Array(vec![Reply::Integer(1)]));
        run(&mut store, "WATCH a b");
        store.execute(2, &Request::command(&["SET", "b", "x"]));
        assert_eq!(store.execute(1, &exec), Reply::Null);
        assert_eq!(store.execute(1, &exec), Reply::Array(vec![Reply::Integer(2)]));
    }

    #[test]
    fn set_members_compare_without_order_and_lists_with() {
        let pair = |one: &str, two: &str| Reply::Array(vec![Reply::bulk(one), Reply::bulk(two)]);
        let members = Request::command(&["SMEMBERS", "s"]);
        let range = Request::command(&["LRANGE", "l", "0", "-1"]);
        assert!(same_reply(&members, &pair("a", "b"), &pair("b", "a")));
        assert!(!same_reply(&range, &pair("a", "b"), &pair("b", "a")));
    }
}
