//! Job: what tests of clients and servers need.
//! In: the words `DEBUG subcommand ...`. Out: depends on the subcommand.
//! Invariant: refused unless `enable-debug-command` allows it; none of them can crash the server.

use std::time::Duration;

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::{Reply, Version};
use ringlet_store::Entry;

use super::support::{self, ADMIN, spec};
use crate::command::key_spec::access::RO;
use crate::command::list::words::non_negative;
use crate::command::spec::{
    CommandError, CommandResult, KeySpec, Keys, Merge, Run, Spec, flags, integer,
};
use crate::core::{Core, owner_of_slot};
use crate::message::Header;
use crate::shard::context::Context;

const SUBCOMMANDS: &[&Spec] = &[
    &CHANGE_REPL_ID,
    &ERROR,
    &HELP,
    &LOG,
    &OBJECT,
    &POPULATE,
    &PROTOCOL,
    &RELOAD,
    &SET_ACTIVE_EXPIRE,
    &SLEEP,
];

/// `DEBUG subcommand`
pub const SPEC: Spec = Spec {
    complexity: "Depends on subcommand.",
    summary: "Holds commands for tests; refused unless enable-debug-command allows them.",
    examples: &[
        ("DEBUG", "(error) ERR wrong number of arguments for 'debug' command"),
        (
            "DEBUG SEGFAULT",
            "(error) ERR unknown subcommand or wrong number of arguments for 'SEGFAULT'. Try DEBUG HELP.",
        ),
    ],
    ..about("debug", -2, Run::Subcommands(SUBCOMMANDS))
};

const fn about(name: &'static str, arity: i32, run: Run) -> Spec {
    spec(name, arity, ADMIN | flags::PROTECTED | flags::OWN_WORDS, run)
}

const CHANGE_REPL_ID: Spec = Spec {
    summary: "Changes nothing, for there is no replication; answers OK.",
    ..about("change-repl-id", 2, Run::Keys(nothing))
};

const ERROR: Spec = Spec {
    summary: "Answers with an error of this text.",
    syntax: "message",
    ..about("error", 3, Run::Keys(error))
};

const LOG: Spec = Spec {
    summary: "Writes a line to the log.",
    syntax: "message",
    ..about("log", 3, Run::Keys(log))
};

const OBJECT: Spec = Spec {
    keys: Keys(&[KeySpec::at(2).with(RO)]),
    summary: "Tells how a value is held.",
    syntax: "key",
    ..about("object", 3, Run::Keys(object))
};

const POPULATE: Spec = Spec {
    complexity: "O(N) where N is the number of keys.",
    summary: "Makes strings with the keys prefix:0, prefix:1 and so on; existing ones stay.",
    syntax: "count [prefix [size]]",
    ..about("populate", -3, Run::Everywhere(populate, Merge::AllOk))
};

const PROTOCOL: Spec = Spec {
    summary: "Answers with a value of a type of RESP3.",
    syntax: "type",
    ..about("protocol", 3, Run::Keys(protocol))
};

const RELOAD: Spec = Spec {
    summary: "Would save and load all data; refused, for there are no snapshots yet.",
    ..about("reload", -2, Run::Keys(reload))
};

const SET_ACTIVE_EXPIRE: Spec = Spec {
    summary: "Switches off, or on again, that expired keys are dropped before anybody asks for them.",
    syntax: "0 | 1",
    ..about("set-active-expire", 3, Run::Everywhere(set_active_expire, Merge::AllOk))
};

const SLEEP: Spec = Spec {
    complexity: "O(1)",
    summary: "Stops all cores for so many seconds.",
    syntax: "seconds",
    ..about("sleep", 3, Run::EveryCore(sleep, Merge::AllOk))
};

const HELP: Spec = Spec { summary: "Lists the subcommands.", ..about("help", 2, Run::Keys(help)) };

/// What DEBUG PROTOCOL DOUBLE answers: Redis's number, which is not meant to be pi.
const DOUBLE: f64 = 3141.0 / 1000.0;

/// Longest sleep: a day.
const SLEEP_MAX_S: f64 = 86_400.0;

fn nothing(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.ok();
    Ok(())
}

/// As in Redis the message is the whole line, so that the code of the error can be chosen.
fn error(_: &mut Context<'_>, words: Arguments<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::with(String::from_utf8_lossy(&words[2]).into_owned()))
}

fn log(_: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    tracing::warn!("DEBUG LOG: {}", words[2].escape_ascii());
    reply.ok();
    Ok(())
}

fn object(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = context.now_ms;
    let entry = context.peek(&words[2]).ok_or(CommandError::NO_SUCH_KEY)?;
    let idle_ms = ringlet_store::access::lru_idle_ms(entry.access(), now_ms);
    reply.simple(&format!(
        "Value at:{:p} refcount:1 encoding:{} lru:{} lru_seconds_idle:{}",
        std::ptr::from_ref::<Entry>(entry),
        entry.encoding(),
        entry.access(),
        idle_ms / 1000,
    ));
    Ok(())
}

/// Each shard makes the keys that it owns.
fn populate(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let count = non_negative(&words[2])?;
    let prefix = words.get(3).unwrap_or(b"key");
    let size = words.get(4).map(non_negative).transpose()?;
    if words.len() > 5 {
        return Err(CommandError::SYNTAX);
    }
    let bytes_max = context.config.bulk_bytes_max;
    if size.is_some_and(|size| size > bytes_max) {
        return Err(CommandError::new(
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ));
    }
    let (own, shards) = (context.keyspace.shard_index, context.keyspace.shard_count);
    for number in 0..count {
        let key = [prefix, b":", number.to_string().as_bytes()].concat();
        let owner = owner_of_slot(ringlet_base::slot::slot(&key), shards);
        if owner != own || context.exists(&key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if let Some(size) = size {
            value.resize(size, 0);
        }
        context.set_string(&key, &value, None);
    }
    reply.ok();
    Ok(())
}

fn protocol(_: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match words[2].to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(DOUBLE),
        b"null" => reply.null(),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if reply.version() == Version::Resp3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if reply.version() == Version::Resp2 => {
            return Err(CommandError::new("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            // A push is beside the replies; this is the command's own.
            reply.bulk(b"Some real reply following the push reply");
        }
        _ => {
            return Err(CommandError::new(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn reload(_: &mut Context<'_>, _: Arguments<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::new(
        "ERR snapshots are not supported yet: Ringlet keeps its data in memory only",
    ))
}

fn set_active_expire(
    context: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    context.keyspace.active_expiry = integer(&words[2])? != 0;
    reply.ok();
    Ok(())
}

/// Stops this core's thread, which is what is asked for: clients see a server that hangs.
fn sleep(_: &mut Core, _: &Header, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let seconds = ringlet_base::number::parse_f64(&words[2]).unwrap_or(0.0);
    std::thread::sleep(Duration::from_secs_f64(seconds.clamp(0.0, SLEEP_MAX_S)));
    reply.ok();
    Ok(())
}

fn help(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    support::help(
        reply,
        "DEBUG",
        &[
            "CHANGE-REPL-ID",
            "    Change the replication IDs of the instance.",
            "ERROR <string>",
            "    Return a Redis protocol error with <string> as message.",
            "LOG <message>",
            "    Write <message> to the server log.",
            "OBJECT <key>",
            "    Show low level info about `key` and associated value.",
            "POPULATE <count> [<prefix>] [<size>]",
            "    Create <count> string keys named key:<num>.",
            "PROTOCOL <type>",
            "    Reply with a test value of the specified type.",
            "RELOAD [option ...]",
            "    Refused: there are no snapshots yet.",
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Setting it to 0 disables expiring keys in background.",
            "SLEEP <seconds>",
            "    Stop the server for <seconds>. Decimals allowed.",
        ],
    );
    Ok(())
}
