//! Job: tell what memory is used for.
//! In: the words `MEMORY subcommand ...`. Out: bytes of a key, figures of the process, advice.
//! Invariant: the figures are those of INFO's memory section, taken in the same way.

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;
use ringlet_runtime::memory;

use super::support::{self, ALWAYS, spec};
use crate::command::key_spec::access::RO;
use crate::command::spec::{
    CommandError, CommandResult, KeySpec, Keys, Merge, Run, Spec, flags, integer, is_word,
};
use crate::core::Core;
use crate::info::part::{self, Whole};
use crate::info::render::human;
use crate::info::{Section, Wanted};
use crate::message::Header;
use crate::shard::context::Context;

const SUBCOMMANDS: &[&Spec] = &[&DOCTOR, &HELP, &MALLOC_STATS, &PURGE, &STATS, &USAGE];

/// `MEMORY subcommand`
pub const SPEC: Spec = Spec {
    complexity: "Depends on subcommand.",
    summary: "Holds the commands that tell what memory is used for.",
    examples: &[
        ("MEMORY", "(error) ERR wrong number of arguments for 'memory' command"),
        ("MEMORY LEFT", "(error) ERR unknown subcommand 'LEFT'. Try MEMORY HELP."),
    ],
    ..about("memory", -2, 0, Run::Subcommands(SUBCOMMANDS))
};

const fn about(name: &'static str, arity: i32, flags: u32, run: Run) -> Spec {
    Spec { since: "4.0.0", ..spec(name, arity, flags, run) }
}

const DOCTOR: Spec = Spec {
    summary: "Says in words what is unusual about the memory in use.",
    ..about("doctor", 2, flags::WHOLE_SHARD, Run::EveryCore(figures, Merge::With(diagnose)))
};

const MALLOC_STATS: Spec = Spec {
    summary: "Would give the allocator's own statistics; this one has none.",
    examples: &[
        ("MEMORY MALLOC-STATS", "Stats not supported for the current allocator"),
        (
            "MEMORY MALLOC-STATS all",
            "(error) ERR wrong number of arguments for 'memory|malloc-stats' command",
        ),
    ],
    ..about("malloc-stats", 2, 0, Run::Keys(malloc_stats))
};

const PURGE: Spec = Spec {
    complexity: "Depends on how much memory the allocator has kept.",
    summary: "Gives free memory back to the system, on all cores.",
    examples: &[
        ("MEMORY PURGE", "OK"),
        ("MEMORY PURGE all", "(error) ERR wrong number of arguments for 'memory|purge' command"),
    ],
    ..about("purge", 2, 0, Run::EveryCore(purge, Merge::AllOk))
};

const STATS: Spec = Spec {
    summary: "Gives figures of the memory in use.",
    examples: &[(
        "MEMORY STATS all",
        "(error) ERR wrong number of arguments for 'memory|stats' command",
    )],
    ..about("stats", 2, flags::WHOLE_SHARD, Run::EveryCore(figures, Merge::With(stats)))
};

const USAGE: Spec = Spec {
    keys: Keys(&[KeySpec::at(2).with(RO)]),
    complexity: "O(N) where N is the number of elements.",
    summary: "Tells the bytes of a key and its value.",
    syntax: "key [SAMPLES count]",
    examples: &[
        ("MEMORY USAGE missing", "(nil)"),
        ("MEMORY USAGE missing SAMPLES 5", "(nil)"),
        ("MEMORY USAGE missing SAMPLES -1", "(error) ERR syntax error"),
    ],
    ..about("usage", -3, flags::READONLY, Run::Keys(usage))
};

const HELP: Spec =
    Spec { summary: "Lists the subcommands.", ..about("help", 2, ALWAYS, Run::Keys(help)) };

fn usage(context: &mut Context<'_>, words: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut options = words.from(3).iter();
    while let Some(option) = options.next() {
        let count = options.next().filter(|_| is_word(option, "SAMPLES"));
        // All elements count, as with SAMPLES 0 in Redis; the number is checked all the same.
        if integer(count.ok_or(CommandError::SYNTAX)?)? < 0 {
            return Err(CommandError::SYNTAX);
        }
    }
    match context.peek(&words[2]) {
        Some(entry) => reply.integer(entry.memory_bytes() as i64),
        None => reply.null(),
    }
    Ok(())
}

fn purge(_: &mut Core, _: &Header, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    memory::purge(true);
    reply.ok();
    Ok(())
}

fn malloc_stats(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.verbatim(b"txt", b"Stats not supported for the current allocator");
    Ok(())
}

fn figures(
    core: &mut Core,
    header: &Header,
    _: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    part::write(core, header, Wanted::only(Section::Memory), reply);
    Ok(())
}

fn stats(parts: &[&[u8]], reply: &mut Reply<'_>) {
    enum Figure {
        Count(i64),
        Share(f64),
        Tables(i64),
    }
    use Figure::{Count, Share, Tables};
    let whole = Whole::of_parts(parts);
    let memory = whole.memory();
    let keys = whole.figures.keys;
    let first = [
        ("peak.allocated", Count(memory.peak)),
        ("total.allocated", Count(memory.used)),
        ("startup.allocated", Count(memory.startup)),
        ("replication.backlog", Count(0)),
        ("clients.slaves", Count(0)),
        ("clients.normal", Count(whole.figures.client_bytes)),
        ("cluster.links", Count(0)),
        ("aof.buffer", Count(0)),
        ("lua.caches", Count(0)),
        ("functions.caches", Count(0)),
    ];
    let rest = [
        ("overhead.tables", Count(whole.figures.table_bytes)),
        ("overhead.total", Count(memory.overhead)),
        ("keys.count", Count(keys)),
        ("keys.bytes-per-key", Count((memory.used - memory.startup) / keys.max(1))),
        ("dataset.bytes", Count(memory.dataset())),
        ("dataset.percentage", Share(memory.dataset_percentage())),
        ("peak.percentage", Share(memory.peak_percentage())),
        ("allocator.allocated", Count(memory.used)),
        ("allocator.active", Count(memory.resident)),
        ("allocator.resident", Count(memory.resident)),
        ("allocator-fragmentation.ratio", Share(memory.fragmentation())),
        ("allocator-fragmentation.bytes", Count(memory.resident - memory.used)),
        ("allocator-rss.ratio", Share(1.0)),
        ("allocator-rss.bytes", Count(0)),
        ("rss-overhead.ratio", Share(1.0)),
        ("rss-overhead.bytes", Count(0)),
        ("fragmentation", Share(memory.fragmentation())),
        ("fragmentation.bytes", Count(memory.resident - memory.used)),
    ];
    reply.map(first.len() + whole.databases.len() + rest.len());
    let mut write = |(name, figure): (&str, Figure)| {
        reply.bulk(name.as_bytes());
        match figure {
            Count(count) => reply.integer(count),
            Share(share) => reply.double(share),
            // Times to live stand beside the values, in no table of their own.
            Tables(bytes) => {
                reply.map(2);
                reply.bulk(b"overhead.hashtable.main");
                reply.integer(bytes);
                reply.bulk(b"overhead.hashtable.expires");
                reply.integer(0);
            }
        }
    };
    first.into_iter().for_each(&mut write);
    for (index, database) in &whole.databases {
        write((&format!("db.{index}"), Tables(database.table_bytes)));
    }
    rest.into_iter().for_each(write);
}

/// Below this many bytes nothing can be said about memory.
const LITTLE_BYTES: i64 = 5 << 20;

fn diagnose(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let whole = Whole::of_parts(parts);
    reply.verbatim(b"txt", diagnosis(&whole).as_bytes());
}

fn diagnosis(whole: &Whole) -> String {
    let memory = whole.memory();
    if memory.used < LITTLE_BYTES {
        return format!(
            "Only {} are in use: there is nothing to diagnose yet.\n",
            human(memory.used)
        );
    }
    let mut findings = Vec::new();
    if memory.peak > memory.used / 2 * 3 {
        findings.push(format!(
            "Peak: at its peak the server used {}, now {}. Memory that stays resident may come \
             from then; MEMORY PURGE gives free memory back to the system.",
            human(memory.peak),
            human(memory.used)
        ));
    }
    if memory.fragmentation() > 1.4 && memory.resident - memory.used > 10 << 20 {
        findings.push(format!(
            "Fragmentation: {} are resident for {} in use (ratio {:.2}). After many deletions \
             MEMORY PURGE helps; otherwise the allocator's blocks are only partly filled.",
            human(memory.resident),
            human(memory.used),
            memory.fragmentation()
        ));
    }
    let client_bytes = whole.figures.client_bytes / whole.figures.clients.max(1);
    if client_bytes > 200 << 10 {
        findings.push(format!(
            "Clients: their buffers take {} each on average. Look for slow readers and long \
             pipelines in CLIENT LIST, and bound them with client-output-buffer-limit.",
            human(client_bytes)
        ));
    }
    if findings.is_empty() {
        return "Nothing is unusual about the memory in use.\n".into();
    }
    findings.iter().map(|finding| format!(" * {finding}\n")).collect()
}

fn help(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    support::help(
        reply,
        "MEMORY",
        &[
            "DOCTOR",
            "    Return memory problems reports.",
            "MALLOC-STATS",
            "    Return internal statistics report from the memory allocator.",
            "PURGE",
            "    Attempt to purge dirty pages for reclamation by the allocator.",
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return memory in bytes used by <key> and its value. Nested values are",
            "    sampled up to <count> times (default: 5, 0 means sample all).",
        ],
    );
    Ok(())
}
