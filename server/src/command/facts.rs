//! Facts: what COMMAND tells about a command beyond its numbers: flags, ACL categories, keys.
//! In: a row of the table. Out: names, as Redis words and orders them.
//! Invariant: all of it follows from the `Spec`.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::spec::{Group, Keys, Run, Spec, categories, flags};

/// The names of the flags, in Redis's order.
const FLAGS: [(u32, &str); 16] = [
    (flags::WRITE, "write"),
    (flags::READONLY, "readonly"),
    (flags::DENYOOM, "denyoom"),
    (flags::ADMIN, "admin"),
    (flags::PUBSUB, "pubsub"),
    (flags::NOSCRIPT, "noscript"),
    (flags::BLOCKING, "blocking"),
    (flags::LOADING, "loading"),
    (flags::STALE, "stale"),
    (flags::SKIP_MONITOR, "skip_monitor"),
    (flags::SKIP_SLOWLOG, "skip_slowlog"),
    (flags::FAST, "fast"),
    (flags::NO_AUTH, "no_auth"),
    (flags::NO_MULTI, "no_multi"),
    (flags::MOVABLEKEYS, "movablekeys"),
    (flags::ALLOW_BUSY, "allow_busy"),
];

/// The flags' names.
pub fn flag_names(spec: &Spec) -> Vec<&'static str> {
    let has_movable = matches!(spec.keys, Keys::Counted(_) | Keys::DestinationAndCounted);
    let bits = spec.flags | if has_movable { flags::MOVABLEKEYS } else { 0 };
    FLAGS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect()
}

/// Every ACL category that some command may be in, in Redis's order.
const CATEGORIES: [&str; 16] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
];

/// The ACL categories of a command, without the `@`.
pub fn category_names(spec: &Spec) -> impl Iterator<Item = &'static str> {
    CATEGORIES.into_iter().filter(|category| is_in_category(spec, category))
}

/// True when a command is in an ACL category (written in lower case, without the `@`).
pub fn is_in_category(spec: &Spec, category: &str) -> bool {
    let flag = |bit| spec.flags & bit != 0;
    let explicit = |bit| spec.categories & bit != 0;
    // A container has none of its group's categories, only its subcommands have.
    let is_container = matches!(spec.run, Run::Subcommands(_));
    let group = |group| spec.group == group && !is_container;
    match category {
        "keyspace" => explicit(categories::KEYSPACE),
        "read" => flag(flags::READONLY),
        "write" => flag(flags::WRITE),
        "set" => group(Group::Set),
        "sortedset" => group(Group::SortedSet),
        "list" => group(Group::List),
        "hash" => group(Group::Hash),
        "string" => group(Group::String),
        "pubsub" => flag(flags::PUBSUB),
        "admin" => flag(flags::ADMIN) || explicit(categories::ADMIN),
        "fast" => flag(flags::FAST),
        "slow" => !flag(flags::FAST),
        "blocking" => flag(flags::BLOCKING),
        "dangerous" => flag(flags::ADMIN) || explicit(categories::DANGEROUS),
        "connection" => group(Group::Connection) || explicit(categories::CONNECTION),
        "transaction" => group(Group::Transactions),
        _ => false,
    }
}

/// The word for a group in COMMAND DOCS.
pub fn group_name(group: Group) -> &'static str {
    match group {
        Group::Connection => "connection",
        Group::Server => "server",
        Group::Generic => "generic",
        Group::String => "string",
        Group::List => "list",
        Group::Hash => "hash",
        Group::Set => "set",
        Group::SortedSet => "sorted-set",
        Group::PubSub => "pubsub",
        Group::Transactions => "transactions",
        Group::Cluster => "cluster",
    }
}

/// First key, last key and step, as COMMAND INFO gives them; keys behind a count are not in it.
pub fn legacy_range(keys: Keys) -> (i64, i64, i64) {
    match keys {
        Keys::None | Keys::Counted(_) => (0, 0, 0),
        Keys::Range(first, last, step) => (first as i64, i64::from(last), step as i64),
        Keys::DestinationAndCounted => (1, 1, 1),
    }
}

/// What a command does to a group of its keys: `RO access`, `RW update`, `OW update`.
fn access_names(spec: &Spec, is_destination: bool) -> [&'static str; 2] {
    match (is_destination, spec.flags & flags::WRITE != 0) {
        (true, _) => ["OW", "update"],
        (false, false) => ["RO", "access"],
        (false, true) if matches!(spec.keys, Keys::DestinationAndCounted) => ["RO", "access"],
        (false, true) => ["RW", "update"],
    }
}

/// Writes the key specifications: a set of maps.
pub fn write_key_specs(spec: &Spec, reply: &mut Reply<'_>) {
    match spec.keys {
        Keys::None => reply.set(0),
        Keys::Range(first, last, step) => {
            reply.set(1);
            let relative = if last < 0 { last } else { last - first as i32 };
            write_range(spec, false, (first, relative, step), reply);
        }
        Keys::Counted(at) => {
            reply.set(1);
            write_counted(spec, at, reply);
        }
        Keys::DestinationAndCounted => {
            reply.set(2);
            write_range(spec, true, (1, 0, 1), reply);
            write_counted(spec, 2, reply);
        }
    }
}

fn write_range(
    spec: &Spec,
    is_destination: bool,
    (first, last, step): (usize, i32, usize),
    reply: &mut Reply<'_>,
) {
    begin_key_spec(spec, is_destination, first, "range", reply);
    reply.map(3);
    for (name, number) in [("lastkey", i64::from(last)), ("keystep", step as i64), ("limit", 0)] {
        reply.bulk(name.as_bytes());
        reply.integer(number);
    }
}

fn write_counted(spec: &Spec, at: usize, reply: &mut Reply<'_>) {
    begin_key_spec(spec, false, at, "keynum", reply);
    reply.map(3);
    for (name, number) in [("keynumidx", 0), ("firstkey", 1), ("keystep", 1)] {
        reply.bulk(name.as_bytes());
        reply.integer(number);
    }
}

/// All of a key specification but the numbers of how the keys are found.
fn begin_key_spec(
    spec: &Spec,
    is_destination: bool,
    index: usize,
    how: &str,
    reply: &mut Reply<'_>,
) {
    reply.map(3);
    reply.bulk(b"flags");
    let names = access_names(spec, is_destination);
    reply.set(names.len());
    names.iter().for_each(|name| reply.simple(name));
    reply.bulk(b"begin_search");
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(b"index");
    reply.bulk(b"spec");
    reply.map(1);
    reply.bulk(b"index");
    reply.integer(index as i64);
    reply.bulk(b"find_keys");
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(how.as_bytes());
    reply.bulk(b"spec");
}

/// A key, and what a command does to it.
pub type KeyWithAccess<'a> = (&'a [u8], [&'static str; 2]);

/// The keys among a command's words, each with what the command does to it.
pub fn keys_with_access<'a>(spec: &Spec, words: Arguments<'a>) -> Vec<KeyWithAccess<'a>> {
    let mut keys = Vec::new();
    spec.keys.for_each(words, |index| {
        let is_destination = index == 1 && matches!(spec.keys, Keys::DestinationAndCounted);
        if let Some(key) = words.get(index) {
            keys.push((key, access_names(spec, is_destination)));
        }
    });
    keys
}
