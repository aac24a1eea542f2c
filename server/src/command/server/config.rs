//! Job: show and change the configuration while the server runs.
//! In: the words `CONFIG subcommand ...`.
//! Out: values as a map; OK; or Redis's error.
//! Invariant: every core changes its own copy at one place of all queues, so that no command sees
//! half of a change; the readers run at their place too, and see the changes before them.

use ringlet_base::glob;
use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{self, ADMIN, ALWAYS, spec};
use crate::command::spec::{CommandError, CommandResult, Merge, Run, Spec, flags};
use crate::config::directives;
use crate::config::rewrite::rewrite;
use crate::config::set::with_changes;
use crate::core::Core;
use crate::message::Header;
use crate::shard::context::Context;
use crate::shard::keyspace::KeyspaceStats;

/// `CONFIG subcommand`
pub const SPEC: Spec = Spec {
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    summary: "Holds the commands that show and change the configuration.",
    examples: &[
        ("CONFIG", "(error) ERR wrong number of arguments for 'config' command"),
        ("CONFIG PUT hz 10", "(error) ERR unknown subcommand 'PUT'. Try CONFIG HELP."),
    ],
    ..spec("config", -2, 0, Run::Subcommands(&[&GET, &HELP, &RESETSTAT, &REWRITE, &SET]))
};

const GET: Spec = Spec {
    since: "2.0.0",
    complexity: "O(N) where N is the number of directives asked for.",
    summary: "Gives the values of directives; names may be patterns.",
    syntax: "parameter [parameter ...]",
    examples: &[
        ("CONFIG GET maxmemory", "1) \"maxmemory\"\n2) \"0\""),
        (
            "CONFIG GET slowlog-* databases",
            "1) \"slowlog-log-slower-than\"\n2) \"10000\"\n3) \"slowlog-max-len\"\n4) \"128\"\n\
             5) \"databases\"\n6) \"16\"",
        ),
        ("CONFIG GET nothing", "(empty array)"),
    ],
    ..spec("get", -3, ADMIN, Run::Keys(get))
};

const SET: Spec = Spec {
    since: "2.0.0",
    complexity: "O(N) where N is the number of directives.",
    summary: "Changes directives: all that are named, or none.",
    syntax: "parameter value [parameter value ...]",
    examples: &[
        ("CONFIG SET timeout 10 slowlog-max-len 64", "OK"),
        ("CONFIG GET timeout", "1) \"timeout\"\n2) \"10\""),
        (
            "CONFIG SET timeout 0 slowlog-max-len many",
            "(error) ERR CONFIG SET failed (possibly related to argument 'slowlog-max-len') - \
             argument couldn't be parsed into an integer",
        ),
        ("CONFIG GET timeout", "1) \"timeout\"\n2) \"10\""),
        ("CONFIG SET timeout 0 slowlog-max-len 128", "OK"),
        (
            "CONFIG SET nothing 1",
            "(error) ERR Unknown option or number of arguments for CONFIG SET - 'nothing'",
        ),
    ],
    ..spec("set", -4, ADMIN | flags::SECRET, Run::EveryCore(set, Merge::AllOk))
};

const RESETSTAT: Spec = Spec {
    since: "2.0.0",
    summary: "Sets the counters of INFO back to zero.",
    examples: &[
        ("CONFIG RESETSTAT", "OK"),
        (
            "CONFIG RESETSTAT now",
            "(error) ERR wrong number of arguments for 'config|resetstat' command",
        ),
    ],
    ..spec(
        "resetstat",
        2,
        ADMIN | flags::WHOLE_SHARD,
        Run::EveryCore(reset_statistics, Merge::AllOk),
    )
};

const REWRITE: Spec = Spec {
    since: "2.8.0",
    summary: "Writes the configuration in force into its file; comments and order stay.",
    examples: &[
        ("CONFIG REWRITE", "(error) ERR The server is running without a config file"),
        (
            "CONFIG REWRITE other.conf",
            "(error) ERR wrong number of arguments for 'config|rewrite' command",
        ),
    ],
    ..spec("rewrite", 2, ADMIN, Run::Keys(rewrite_file))
};

const HELP: Spec = Spec {
    since: "5.0.0",
    summary: "Lists the subcommands.",
    ..spec("help", 2, ALWAYS, Run::Keys(help))
};

fn get(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |name: String, text: String| {
        if !found.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            found.push((name, text));
        }
    };
    for word in words.from(2).iter() {
        if word.iter().any(|byte| b"*?[".contains(byte)) {
            for (name, row) in directives::by_name() {
                if glob::matches_ignoring_case(word, name.as_bytes()) {
                    add((*name).into(), row.text(context.config));
                }
            }
        } else if let Ok(name) = std::str::from_utf8(word)
            && let Some(row) = directives::find(name)
        {
            add(name.into(), row.text(context.config));
        }
    }
    reply.map(found.len());
    for (name, text) in found {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    Ok(())
}

fn set(core: &mut Core, _: &Header, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let words = words.from(2);
    if !words.len().is_multiple_of(2) {
        return Err(CommandError::SYNTAX);
    }
    let pairs: Vec<_> =
        (0..words.len()).step_by(2).map(|at| (&words[at], &words[at + 1])).collect();
    let changed = with_changes(&core.config, &pairs).map_err(CommandError::with)?;
    core.apply_config(changed.into());
    reply.ok();
    Ok(())
}

fn reset_statistics(
    core: &mut Core,
    _: &Header,
    _: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    core.statistics.reset();
    // How much has changed since the last save is no statistic.
    let stats = &mut core.shard.keyspace.stats;
    *stats = KeyspaceStats { changes: stats.changes, ..KeyspaceStats::default() };
    reply.ok();
    Ok(())
}

/// The file is written on this core, with its clients waiting: a few KiB and one flush to the disk.
/// That takes milliseconds, happens on an administrator's word only, and lets the reply say whether
/// it worked and the next command of the pipeline rely on it.
fn rewrite_file(
    context: &mut Context<'_>,
    _: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let file = context.config.file.as_ref();
    let file = file.ok_or(CommandError::new("ERR The server is running without a config file"))?;
    rewrite(context.config, file).map_err(|error| {
        tracing::warn!("CONFIG REWRITE failed: {error}");
        CommandError::with(format!("ERR Rewriting config file: {error}"))
    })?;
    tracing::info!("CONFIG REWRITE executed with success.");
    reply.ok();
    Ok(())
}

fn help(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    support::help(
        reply,
        "CONFIG",
        &[
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
        ],
    );
    Ok(())
}
