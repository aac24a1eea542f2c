//! Job: tell clients what commands there are and where their keys stand.
//! In: the words `COMMAND [subcommand ...]`. Out: facts from the command table.
//! Invariant: all of it follows from the `Spec` of each command.

use ringlet_base::glob;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{self, ALWAYS, spec};
use crate::command::facts::{self, KeyWithAccess};
use crate::command::spec::{CommandError, CommandResult, Run, Spec, categories, is_word};
use crate::command::syntax;
use crate::command::table::{self, Command};
use crate::intake;
use crate::shard::context::Context;

const SUBCOMMANDS: &[&Spec] = &[&COUNT, &DOCS, &GETKEYS, &GETKEYSANDFLAGS, &HELP, &INFO, &LIST];

/// `COMMAND [subcommand]`
pub const SPEC: Spec = Spec {
    complexity: "O(N) where N is the number of commands.",
    summary: "Describes all commands.",
    examples: &[
        ("COMMAND NAMES", "(error) ERR unknown subcommand 'NAMES'. Try COMMAND HELP."),
        ("COMMAND GETKEYS COMMAND", "(error) ERR The command has no key arguments"),
    ],
    ..about("command", -1, Run::Container(all, SUBCOMMANDS))
};

const fn about(name: &'static str, arity: i32, run: Run) -> Spec {
    Spec { since: "2.8.13", categories: categories::CONNECTION, ..spec(name, arity, ALWAYS, run) }
}

const COUNT: Spec = Spec {
    summary: "Counts the commands.",
    examples: &[(
        "COMMAND COUNT all",
        "(error) ERR wrong number of arguments for 'command|count' command",
    )],
    ..about("count", 2, Run::Keys(count))
};

const DOCS: Spec = Spec {
    since: "7.0.0",
    complexity: "O(N) where N is the number of commands to describe.",
    summary: "Gives what the documentation says about commands.",
    syntax: "[command-name [command-name ...]]",
    examples: &[
        (
            "COMMAND DOCS time",
            "1) \"time\"\n2) 1) \"summary\"\n   2) \"Tells the time of the server: seconds since \
             1970, and microseconds.\"\n   3) \"since\"\n   4) \"2.6.0\"\n   5) \"group\"\n   \
             6) \"server\"\n   7) \"complexity\"\n   8) \"O(1)\"",
        ),
        ("COMMAND DOCS nothing", "(empty array)"),
    ],
    ..about("docs", -2, Run::Keys(docs))
};

const GETKEYS: Spec = Spec {
    complexity: "O(N) where N is the number of words.",
    summary: "Finds the keys among the words of a command.",
    syntax: "command [arg [arg ...]]",
    examples: &[
        ("COMMAND GETKEYS MSET a 1 b 2", "1) \"a\"\n2) \"b\""),
        ("COMMAND GETKEYS ZUNIONSTORE to 2 a b", "1) \"to\"\n2) \"a\"\n3) \"b\""),
        ("COMMAND GETKEYS PING", "(error) ERR The command has no key arguments"),
        ("COMMAND GETKEYS nothing", "(error) ERR Invalid command specified"),
    ],
    ..about("getkeys", -3, Run::Keys(get_keys))
};

const GETKEYSANDFLAGS: Spec = Spec {
    since: "7.0.0",
    syntax: "command [arg [arg ...]]",
    complexity: "O(N) where N is the number of words.",
    summary: "Finds the keys among the words of a command, and what it does to them.",
    examples: &[
        ("COMMAND GETKEYSANDFLAGS GET key", "1) 1) \"key\"\n   2) 1) RO\n      2) access"),
        (
            "COMMAND GETKEYSANDFLAGS GET",
            "(error) ERR Invalid number of arguments specified for command",
        ),
    ],
    ..about("getkeysandflags", -3, Run::Keys(get_keys_and_flags))
};

const INFO: Spec = Spec {
    complexity: "O(N) where N is the number of commands to describe.",
    summary: "Describes some commands, or all.",
    syntax: "[command-name [command-name ...]]",
    examples: &[
        ("COMMAND INFO nothing", "1) (nil)"),
        (
            "COMMAND INFO time",
            "1)  1) \"time\"\n    2) (integer) 1\n    3) 1) loading\n       2) stale\n       3) fast\n    \
             4) (integer) 0\n    5) (integer) 0\n    6) (integer) 0\n    7) 1) @fast\n    \
             8) (empty array)\n    9) (empty array)\n   10) (empty array)",
        ),
    ],
    ..about("info", -2, Run::Keys(info))
};

const LIST: Spec = Spec {
    since: "7.0.0",
    complexity: "O(N) where N is the number of commands.",
    summary: "Lists the names of commands.",
    syntax: "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
    examples: &[
        ("COMMAND LIST FILTERBY PATTERN mse*", "1) \"mset\"\n2) \"msetnx\""),
        ("COMMAND LIST FILTERBY MODULE json", "(empty array)"),
        ("COMMAND LIST FILTERBY NAME get", "(error) ERR syntax error"),
    ],
    ..about("list", -2, Run::Keys(list))
};

const HELP: Spec =
    Spec { since: "5.0.0", summary: "Lists the subcommands.", ..about("help", 2, Run::Keys(help)) };

fn all(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    write_all_infos(reply);
    Ok(())
}

fn count(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(table::all().count() as i64);
    Ok(())
}

/// The command or subcommand of a name such as `get` or `config|set`.
fn named(name: &[u8]) -> Option<&'static Command> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let command = table::find(parts.next()?)?;
    match parts.next() {
        None => Some(command),
        Some(sub) => command.subcommand(sub),
    }
}

fn info(_: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if words.len() == 2 {
        write_all_infos(reply);
        return Ok(());
    }
    reply.array(words.len() - 2);
    for name in words.from(2).iter() {
        match named(name) {
            Some(command) => write_info(command, reply),
            None => reply.null(),
        }
    }
    Ok(())
}

fn write_all_infos(reply: &mut Reply<'_>) {
    reply.array(table::all().count());
    table::all().for_each(|command| write_info(command, reply));
}

fn write_info(command: &Command, reply: &mut Reply<'_>) {
    let spec = command.spec;
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.integer(i64::from(spec.arity));
    let flags = facts::flag_names(spec);
    reply.set(flags.len());
    flags.iter().for_each(|name| reply.simple(name));
    let legacy = spec.keys.legacy();
    [legacy.first as i64, i64::from(legacy.last), legacy.step as i64]
        .into_iter()
        .for_each(|number| reply.integer(number));
    let categories: Vec<_> = facts::category_names(spec).collect();
    reply.set(categories.len());
    categories.iter().for_each(|name| reply.simple(&format!("@{name}")));
    // Tips: none, for all that they would tell a proxy holds of the whole server.
    reply.set(0);
    facts::write_key_specs(spec, reply);
    reply.array(command.subcommands.len());
    command.subcommands.iter().for_each(|sub| write_info(sub, reply));
}

fn docs(_: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let commands: Vec<&Command> = if words.len() == 2 {
        table::all().collect()
    } else {
        words.from(2).iter().filter_map(named).collect()
    };
    reply.map(commands.len());
    commands.iter().for_each(|command| write_docs(command, reply));
    Ok(())
}

fn write_docs(command: &Command, reply: &mut Reply<'_>) {
    let spec = command.spec;
    reply.bulk(command.name.as_bytes());
    let arguments = syntax::arguments(spec);
    let has_subcommands = !command.subcommands.is_empty();
    reply.map(4 + usize::from(!arguments.is_empty()) + usize::from(has_subcommands));
    for (name, text) in [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", facts::group_name(spec.group)),
        ("complexity", spec.complexity),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        syntax::write(&arguments, spec, reply);
    }
    if has_subcommands {
        reply.bulk(b"subcommands");
        reply.map(command.subcommands.len());
        command.subcommands.iter().for_each(|sub| write_docs(sub, reply));
    }
}

fn list(_: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let keep: Box<dyn Fn(&Command) -> bool> = match words.len() {
        2 => Box::new(|_| true),
        5 if is_word(&words[2], "FILTERBY") => {
            let value = &words[4];
            if is_word(&words[3], "MODULE") {
                Box::new(|_| false)
            } else if is_word(&words[3], "ACLCAT") {
                let category = String::from_utf8_lossy(value).to_ascii_lowercase();
                Box::new(move |command| facts::is_in_category(command.spec, &category))
            } else if is_word(&words[3], "PATTERN") {
                Box::new(|command| glob::matches_ignoring_case(value, command.name.as_bytes()))
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        _ => return Err(CommandError::SYNTAX),
    };
    let names: Vec<&str> = table::numbered()
        .into_iter()
        .filter(|command| keep(command))
        .map(|command| command.name.as_str())
        .collect();
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name.as_bytes()));
    Ok(())
}

/// The keys of the command behind the first two words, with Redis's errors in Redis's order.
fn keys_of(words: Arguments<'_>) -> Result<Vec<KeyWithAccess<'_>>, CommandError> {
    let words = words.from(2);
    let command =
        intake::find(words).map_err(|_| CommandError::new("ERR Invalid command specified"))?;
    if command.spec.keys.is_empty() {
        return Err(CommandError::new("ERR The command has no key arguments"));
    }
    if !command.accepts(words.len()) {
        return Err(CommandError::new("ERR Invalid number of arguments specified for command"));
    }
    facts::keys_with_access(command.spec, words)
        .ok_or(CommandError::new("ERR Invalid arguments specified for command"))
}

fn get_keys(_: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let keys = keys_of(words)?;
    reply.array(keys.len());
    keys.iter().for_each(|(key, _)| reply.bulk(key));
    Ok(())
}

fn get_keys_and_flags(
    _: &mut Context<'_>,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let keys = keys_of(words)?;
    reply.array(keys.len());
    for (key, access) in keys {
        reply.array(2);
        reply.bulk(key);
        facts::write_access(access, reply);
    }
    Ok(())
}

fn help(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    support::help(
        reply,
        "COMMAND",
        &[
            "(no subcommand)",
            "    Return details about all Redis commands.",
            "COUNT",
            "    Return the total number of commands in this Redis server.",
            "LIST",
            "    Return a list of all commands in this Redis server.",
            "INFO [<command-name> ...]",
            "    Return details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "DOCS [<command-name> ...]",
            "    Return documentation details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "GETKEYS <full-command>",
            "    Return the keys from a full Redis command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Return the keys and the access flags from a full Redis command.",
        ],
    );
    Ok(())
}
