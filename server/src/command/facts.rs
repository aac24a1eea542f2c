//! Facts: what COMMAND tells about a command beyond its numbers: flags, ACL categories, keys.
//! In: a row of the table. Out: names, as Redis words and orders them.
//! Invariant: all of it follows from the `Spec`.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::key_spec::{Find, KeySpec, access};
use super::spec::{Group, Run, Spec, categories, flags};

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
    (flags::NO_ASYNC_LOADING, "no_async_loading"),
    (flags::NO_MULTI, "no_multi"),
    (flags::ALLOW_BUSY, "allow_busy"),
];

/// The flags' names.
pub fn flag_names(spec: &Spec) -> Vec<&'static str> {
    let own = FLAGS.iter().filter(|(bit, _)| spec.flags & bit != 0).map(|(_, name)| *name);
    own.chain(spec.keys.legacy().is_partial.then_some("movablekeys")).collect()
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
        Group::Limit => "module",
    }
}

/// What a command does to the keys of a specification, at most.
fn access_bits(command: &Spec, keys: &KeySpec) -> u32 {
    let variable = if keys.access_of.is_some() { access::VARIABLE_FLAGS } else { 0 };
    match keys.access {
        0 if command.flags & flags::WRITE != 0 => access::RW | access::UPDATE | variable,
        0 => access::RO | access::ACCESS | variable,
        own => own | variable,
    }
}

/// The names of bits of [`access`], in Redis's order.
pub fn access_names(bits: u32) -> impl Iterator<Item = &'static str> {
    access::NAMES.into_iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| name)
}

/// Writes what is done to keys: a set of names.
pub fn write_access(bits: u32, reply: &mut Reply<'_>) {
    reply.set(access_names(bits).count());
    access_names(bits).for_each(|name| reply.simple(name));
}

/// Writes the key specifications: a set of maps.
pub fn write_key_specs(command: &Spec, reply: &mut Reply<'_>) {
    reply.set(command.keys.0.len());
    command.keys.0.iter().for_each(|keys| write_key_spec(command, keys, reply));
}

fn write_key_spec(command: &Spec, keys: &KeySpec, reply: &mut Reply<'_>) {
    reply.map(3 + usize::from(!keys.notes.is_empty()));
    if !keys.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(keys.notes.as_bytes());
    }
    reply.bulk(b"flags");
    write_access(access_bits(command, keys), reply);
    reply.bulk(b"begin_search");
    write_search("index", &[("index", keys.begin as i64)], reply);
    reply.bulk(b"find_keys");
    match keys.find {
        Find::Range { last, step } => {
            let numbers = [("lastkey", i64::from(last)), ("keystep", step as i64), ("limit", 0)];
            write_search("range", &numbers, reply);
        }
        Find::Count => {
            let numbers = [("keynumidx", 0), ("firstkey", 1), ("keystep", 1)];
            write_search("keynum", &numbers, reply);
        }
    }
}

/// One step of the search for keys: how, and the numbers for it.
fn write_search(how: &str, numbers: &[(&str, i64)], reply: &mut Reply<'_>) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(how.as_bytes());
    reply.bulk(b"spec");
    reply.map(numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(*number);
    }
}

/// A key, and bits of [`access`]: what a call does to it.
pub type KeyWithAccess<'a> = (&'a [u8], u32);

/// The keys among a command's words, or `None` when the words do not fit.
pub fn keys_with_access<'a>(
    command: &Spec,
    words: Arguments<'a>,
) -> Option<Vec<KeyWithAccess<'a>>> {
    let found = command.keys.find(words)?;
    let with_access = found.into_iter().map(|(place, keys)| {
        let bits = keys.access_of.map_or_else(|| access_bits(command, keys), |of| of(words));
        Some((words.get(place)?, bits))
    });
    with_access.collect()
}
