//! Job: tell what is known about a value besides the value.
//! In: the words `OBJECT subcommand [key]`.
//! Out: encoding, idle time, access frequency, references; null when the key is missing.
//! Invariant: nothing changes, not even the access time.

use ringlet_base::number::parse_i64;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_store::access::lru_idle_ms;
use ringlet_store::{Entry, ValueRef};

use crate::command::key_spec::access::RO;
use crate::command::spec::{
    CommandError, CommandResult, Group, KeySpec, Keys, Run, Spec, categories, flags,
};
use crate::shard::context::Context;

/// `OBJECT subcommand`
pub const SPEC: Spec = Spec {
    name: "object",
    arity: -2,
    keys: Keys::NONE,
    flags: 0,
    categories: 0,
    group: Group::Generic,
    since: "2.2.3",
    complexity: "Depends on subcommand.",
    summary: "Holds the commands that look into values.",
    syntax: "",
    examples: &[
        ("OBJECT", "(error) ERR wrong number of arguments for 'object' command"),
        ("OBJECT COLOUR key", "(error) ERR unknown subcommand 'COLOUR'. Try OBJECT HELP."),
    ],
    run: Run::Subcommands(&[&ENCODING, &FREQ, &HELP, &IDLETIME, &REFCOUNT]),
};

/// The facts that the subcommands with a key share.
const ABOUT_KEY: Spec = Spec {
    name: "",
    arity: 3,
    keys: Keys(&[KeySpec::at(2).with(RO)]),
    flags: flags::READONLY,
    categories: categories::KEYSPACE,
    group: Group::Generic,
    since: "2.2.3",
    complexity: "O(1)",
    summary: "",
    syntax: "key",
    examples: &[],
    run: Run::Keys(encoding),
};

const ENCODING: Spec = Spec {
    name: "encoding",
    summary: "Gives the inner representation of a value.",
    examples: &[
        ("SET number 1", "OK"),
        ("OBJECT ENCODING number", r#""int""#),
        ("APPEND number 2", "(integer) 2"),
        ("OBJECT ENCODING number", r#""raw""#),
        ("OBJECT ENCODING missing", "(nil)"),
    ],
    run: Run::Keys(encoding),
    ..ABOUT_KEY
};

const FREQ: Spec = Spec {
    name: "freq",
    since: "4.0.0",
    summary: "Gives the logarithmic access frequency of a value, where that is counted.",
    examples: &[
        ("SET key value", "OK"),
        (
            "OBJECT FREQ key",
            "(error) ERR An LFU maxmemory policy is not selected, access frequency not tracked. \
             Please note that when switching between policies at runtime LRU and LFU data will \
             take some time to adjust.",
        ),
        ("OBJECT FREQ missing", "(nil)"),
        ("CONFIG SET maxmemory-policy allkeys-lfu", "OK"),
        ("SET counted value", "OK"),
        ("OBJECT FREQ counted", "(integer) 5"),
        ("GET counted", "\"value\""),
        ("OBJECT FREQ counted", "(integer) 6"),
        ("RPUSH list a", "(integer) 1"),
        ("OBJECT FREQ list", "(integer) 5"),
        ("CONFIG SET maxmemory-policy noeviction", "OK"),
    ],
    run: Run::Keys(frequency),
    ..ABOUT_KEY
};

const IDLETIME: Spec = Spec {
    name: "idletime",
    summary: "Gives the seconds since a value was last used.",
    examples: &[
        ("SET key value", "OK"),
        ("OBJECT IDLETIME key", "(integer) 0"),
        ("OBJECT IDLETIME missing", "(nil)"),
        ("CONFIG SET maxmemory-policy volatile-lfu", "OK"),
        (
            "OBJECT IDLETIME key",
            "(error) ERR An LFU maxmemory policy is selected, idle time not tracked. Please note \
             that when switching between policies at runtime LRU and LFU data will take some time \
             to adjust.",
        ),
        ("CONFIG SET maxmemory-policy noeviction", "OK"),
    ],
    run: Run::Keys(idle_time),
    ..ABOUT_KEY
};

const REFCOUNT: Spec = Spec {
    name: "refcount",
    summary: "Gives the number of references to a value.",
    examples: &[
        ("SET key value", "OK"),
        ("OBJECT REFCOUNT key", "(integer) 1"),
        ("SET small 5", "OK"),
        ("OBJECT REFCOUNT small", "(integer) 2147483647"),
        ("INCRBYFLOAT sum 5", r#""5""#),
        ("OBJECT REFCOUNT sum", "(integer) 1"),
        ("OBJECT REFCOUNT missing", "(nil)"),
    ],
    run: Run::Keys(reference_count),
    ..ABOUT_KEY
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    keys: Keys::NONE,
    flags: flags::LOADING | flags::STALE,
    since: "6.2.0",
    summary: "Lists the subcommands.",
    syntax: "",
    examples: &[(
        "OBJECT HELP key",
        "(error) ERR wrong number of arguments for 'object|help' command",
    )],
    run: Run::Keys(help),
    ..ABOUT_KEY
};

/// Integers below this are one shared object each in Redis, which says so by a huge count.
const SHARED_INTEGERS: std::ops::Range<i64> = 0..10_000;

/// The count of a shared object.
const SHARED_COUNT: i64 = i32::MAX as i64;

/// The lines of OBJECT HELP, which are part of the protocol as much as error texts are.
const HELP_LINES: [&str; 15] = [
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

fn encoding(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    match context.look(&words[2]) {
        Some(entry) => reply.bulk(entry.encoding().as_bytes()),
        None => reply.null(),
    }
    Ok(())
}

fn frequency(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let now_ms = context.now_ms;
    if context.look(&words[2]).is_none() {
        reply.null();
        return Ok(());
    }
    let entry = context.peek(&words[2]).expect("invariant: it was there just now");
    let frequency = context.keyspace.accesses.frequency(entry, now_ms);
    let frequency = frequency.ok_or(CommandError::new(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note \
         that when switching between policies at runtime LRU and LFU data will take some time to \
         adjust.",
    ))?;
    reply.integer(i64::from(frequency));
    Ok(())
}

fn idle_time(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let now_ms = context.now_ms;
    let are_counted = context.keyspace.accesses.are_counted();
    match context.look(&words[2]) {
        Some(_) if are_counted => {
            return Err(CommandError::new(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that \
                 when switching between policies at runtime LRU and LFU data will take some time to \
                 adjust.",
            ));
        }
        Some(entry) => reply.integer((lru_idle_ms(entry.access(), now_ms) / 1000) as i64),
        None => reply.null(),
    }
    Ok(())
}

fn reference_count(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    match context.look(&words[2]) {
        Some(entry) if is_shared_integer(entry) => reply.integer(SHARED_COUNT),
        Some(_) => reply.integer(1),
        None => reply.null(),
    }
    Ok(())
}

fn is_shared_integer(entry: &Entry) -> bool {
    match entry.value() {
        ValueRef::String(bytes) if entry.encoding() == "int" => {
            parse_i64(bytes).is_some_and(|number| SHARED_INTEGERS.contains(&number))
        }
        _ => false,
    }
}

fn help(_context: &mut Context<'_>, _words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(HELP_LINES.len());
    HELP_LINES.iter().for_each(|line| reply.simple(line));
    Ok(())
}
