//! Job: show when the server was slow, and how long each command takes.
//! In: the words `LATENCY subcommand ...`. Out: samples, histograms, advice.
//! Invariant: events and histograms of all cores are merged; a sample stands for one second.

use std::collections::BTreeMap;

use ringlet_protocol::arguments::Arguments;
use ringlet_protocol::reply::Reply;

use super::support::{self, ADMIN, ALWAYS, spec};
use crate::command::spec::{CommandResult, Merge, Run, Spec};
use crate::core::Core;
use crate::info::part::{CommandFigures, Reader, add_commands, write_commands};
use crate::latency::{EVENT_SAMPLES_MAX, EventSamples};
use crate::message::Header;
use crate::shard::context::Context;

const SUBCOMMANDS: &[&Spec] = &[&DOCTOR, &GRAPH, &HELP, &HISTOGRAM, &HISTORY, &LATEST, &RESET];

/// `LATENCY subcommand`
pub const SPEC: Spec = Spec {
    complexity: "Depends on subcommand.",
    summary: "Holds the commands that show when the server was slow.",
    examples: &[
        ("LATENCY", "(error) ERR wrong number of arguments for 'latency' command"),
        ("LATENCY NOW", "(error) ERR unknown subcommand 'NOW'. Try LATENCY HELP."),
    ],
    ..about("latency", -2, 0, Run::Subcommands(SUBCOMMANDS))
};

const fn about(name: &'static str, arity: i32, flags: u32, run: Run) -> Spec {
    Spec { since: "2.8.13", ..spec(name, arity, flags, run) }
}

const DOCTOR: Spec = Spec {
    summary: "Says in words when the server was slow.",
    examples: &[(
        "LATENCY DOCTOR",
        "The latency monitor is off. Switch it on with CONFIG SET latency-monitor-threshold \
         <milliseconds>.",
    )],
    ..about("doctor", 2, ADMIN, Run::EveryCore(events, Merge::With(diagnose)))
};

const GRAPH: Spec = Spec {
    summary: "Draws the samples of an event.",
    syntax: "event",
    examples: &[("LATENCY GRAPH fork", "(error) ERR No samples available for event 'fork'")],
    ..about("graph", 3, ADMIN, Run::EveryCore(events, Merge::With(graph)))
};

const HISTOGRAM: Spec = Spec {
    since: "7.0.0",
    complexity: "O(N) where N is the number of commands.",
    summary: "Shows how long commands take: the number of calls up to each power of two.",
    syntax: "[command [command ...]]",
    examples: &[("LATENCY HISTOGRAM nothing", "(empty array)")],
    ..about("histogram", -2, ADMIN, Run::EveryCore(histograms, Merge::With(merge_histograms)))
};

const HISTORY: Spec = Spec {
    summary: "Shows the samples of an event: second and milliseconds.",
    syntax: "event",
    examples: &[("LATENCY HISTORY command", "(empty array)")],
    ..about("history", 3, ADMIN, Run::EveryCore(events, Merge::With(history)))
};

const LATEST: Spec = Spec {
    summary: "Shows of each event the newest sample and the longest.",
    examples: &[("LATENCY LATEST", "(empty array)")],
    ..about("latest", 2, ADMIN, Run::EveryCore(events, Merge::With(latest)))
};

const RESET: Spec = Spec {
    summary: "Drops the samples of some events, or of all.",
    syntax: "[event [event ...]]",
    examples: &[("LATENCY RESET", "(integer) 0"), ("LATENCY RESET command", "(integer) 0")],
    ..about("reset", -2, ADMIN, Run::EveryCore(reset, Merge::With(count_events)))
};

const HELP: Spec =
    Spec { summary: "Lists the subcommands.", ..about("help", 2, ALWAYS, Run::Keys(help)) };

/// The part of one core: the threshold, the event that was asked for, and all events with their
/// longest duration and their samples.
fn events(
    core: &mut Core,
    _: &Header,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    write_events(core, words.get(2).unwrap_or_default(), reply);
    Ok(())
}

fn write_events(core: &Core, asked: &[u8], reply: &mut Reply<'_>) {
    let events = &core.statistics.events.by_name;
    reply.array(2 + events.len() * 3);
    reply.integer(core.config.latency_threshold_ms as i64);
    reply.bulk(asked);
    for (name, event) in events {
        reply.bulk(name.as_bytes());
        reply.integer(event.max_ms as i64);
        reply.array(event.samples.len() * 2);
        for (time_s, duration_ms) in &event.samples {
            reply.integer(*time_s);
            reply.integer(*duration_ms as i64);
        }
    }
}

/// The events of all cores together.
struct All {
    threshold_ms: i64,
    asked: String,
    events: BTreeMap<String, EventSamples>,
}

fn all(parts: &[&[u8]]) -> All {
    let mut all = All { threshold_ms: 0, asked: String::new(), events: BTreeMap::new() };
    let mut samples: BTreeMap<String, BTreeMap<i64, u64>> = BTreeMap::new();
    for part in parts {
        let mut reader = Reader::new(part);
        all.threshold_ms = reader.integer();
        all.asked = reader.text();
        while reader.remaining() > 0 {
            let name = reader.text();
            let event = all.events.entry(name.clone()).or_default();
            event.max_ms = event.max_ms.max(reader.integer() as u64);
            let merged = samples.entry(name).or_default();
            let mut own = reader.array();
            while own.remaining() > 0 {
                let longest_ms = merged.entry(own.integer()).or_default();
                *longest_ms = (*longest_ms).max(own.integer() as u64);
            }
        }
    }
    for (name, event) in &mut all.events {
        let merged = &samples[name];
        let dropped = merged.len().saturating_sub(EVENT_SAMPLES_MAX);
        event.samples = merged.iter().skip(dropped).map(|(time, ms)| (*time, *ms)).collect();
    }
    all
}

fn latest(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let all = all(parts);
    reply.array(all.events.len());
    for (name, event) in &all.events {
        let (time_s, duration_ms) = event.samples.back().copied().unwrap_or_default();
        reply.array(4);
        reply.bulk(name.as_bytes());
        reply.integer(time_s);
        reply.integer(duration_ms as i64);
        reply.integer(event.max_ms as i64);
    }
}

fn history(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let all = all(parts);
    let Some(event) = all.events.get(&all.asked) else {
        reply.array(0);
        return;
    };
    reply.array(event.samples.len());
    for (time_s, duration_ms) in &event.samples {
        reply.array(2);
        reply.integer(*time_s);
        reply.integer(*duration_ms as i64);
    }
}

/// Rows of a drawing.
const GRAPH_ROWS: u64 = 4;
/// Columns of a drawing.
const GRAPH_COLUMNS: usize = 80;

fn graph(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let all = all(parts);
    let Some(event) = all.events.get(&all.asked).filter(|event| !event.samples.is_empty()) else {
        reply.error(&format!("ERR No samples available for event '{}'", all.asked));
        return;
    };
    reply.verbatim(b"txt", drawing(&all.asked, event).as_bytes());
}

/// A column for each of the newest samples; a row is a quarter of the range.
fn drawing(name: &str, event: &EventSamples) -> String {
    let dropped = event.samples.len().saturating_sub(GRAPH_COLUMNS);
    let durations: Vec<u64> = event.samples.iter().skip(dropped).map(|(_, ms)| *ms).collect();
    let high = durations.iter().copied().max().unwrap_or_default();
    let low = durations.iter().copied().min().unwrap_or_default();
    let mut text = format!(
        "{name} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        event.max_ms,
        "-".repeat(GRAPH_COLUMNS)
    );
    let step = |ms: u64| (ms - low) * (GRAPH_ROWS - 1) / (high - low).max(1);
    for row in (0..GRAPH_ROWS).rev() {
        let line: String = durations
            .iter()
            .map(|ms| match step(*ms).cmp(&row) {
                std::cmp::Ordering::Less => ' ',
                std::cmp::Ordering::Equal => '#',
                std::cmp::Ordering::Greater => '|',
            })
            .collect();
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn diagnose(parts: &[&[u8]], reply: &mut Reply<'_>) {
    reply.verbatim(b"txt", diagnosis(&all(parts)).as_bytes());
}

fn diagnosis(all: &All) -> String {
    if all.threshold_ms == 0 {
        return "The latency monitor is off. Switch it on with CONFIG SET \
                latency-monitor-threshold <milliseconds>.\n"
            .into();
    }
    if all.events.is_empty() {
        return format!("No command has taken {} ms or longer.\n", all.threshold_ms);
    }
    let mut text = String::new();
    for (name, event) in &all.events {
        let count = event.samples.len();
        let sum: u64 = event.samples.iter().map(|(_, ms)| *ms).sum();
        text += &format!(
            "{name}: slow in {count} {}, {} ms on average, {} ms at worst.\n",
            if count == 1 { "second" } else { "seconds" },
            sum / count.max(1) as u64,
            event.max_ms,
        );
    }
    text + "SLOWLOG GET shows which commands these were. Commands that touch many elements (KEYS, \
            large ranges, large values) keep one core busy for as long as they run.\n"
}

/// The part of one core: the names of the events that it has dropped.
fn reset(
    core: &mut Core,
    _: &Header,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let names = words.from(2);
    let is_named = |event: &str| names.is_empty() || names.iter().any(|it| it == event.as_bytes());
    let events = &mut core.statistics.events.by_name;
    let dropped: Vec<&str> = events.keys().copied().filter(|event| is_named(event)).collect();
    events.retain(|event, _| !is_named(event));
    reply.array(dropped.len());
    dropped.iter().for_each(|event| reply.bulk(event.as_bytes()));
    Ok(())
}

fn count_events(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let mut names = std::collections::BTreeSet::new();
    for part in parts {
        let mut reader = Reader::new(part);
        while reader.remaining() > 0 {
            names.insert(reader.bytes());
        }
    }
    reply.integer(names.len() as i64);
}

/// A container's name stands for all its subcommands.
fn histograms(
    core: &mut Core,
    _: &Header,
    words: Arguments<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let names = words.from(2);
    let keep = |name: &str| {
        let container = name.split('|').next().unwrap_or(name);
        names.is_empty()
            || names.iter().any(|word| {
                word.eq_ignore_ascii_case(name.as_bytes())
                    || word.eq_ignore_ascii_case(container.as_bytes())
            })
    };
    write_commands(core, core.config.latency_tracking, keep, reply);
    Ok(())
}

fn merge_histograms(parts: &[&[u8]], reply: &mut Reply<'_>) {
    let mut commands: BTreeMap<String, CommandFigures> = BTreeMap::new();
    parts.iter().for_each(|part| add_commands(&mut commands, Reader::new(part)));
    commands.retain(|_, command| command.latency.count() > 0);
    reply.map(commands.len());
    for (name, command) in &commands {
        reply.bulk(name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.integer(command.latency.count() as i64);
        reply.bulk(b"histogram_usec");
        let steps = command.latency.by_powers_of_two_us();
        reply.map(steps.len());
        for (end_us, count) in steps {
            reply.integer(end_us as i64);
            reply.integer(count as i64);
        }
    }
}

fn help(_: &mut Context<'_>, _: Arguments<'_>, reply: &mut Reply<'_>) -> CommandResult {
    support::help(
        reply,
        "LATENCY",
        &[
            "DOCTOR",
            "    Return a human readable latency analysis report.",
            "GRAPH <event>",
            "    Return an ASCII latency graph for the <event> class.",
            "HISTORY <event>",
            "    Return time-latency samples for the <event> class.",
            "LATEST",
            "    Return the latest latency samples for all events.",
            "RESET [<event> ...]",
            "    Reset latency data of one or more <event> classes.",
            "    (default: reset all data for all event classes)",
            "HISTOGRAM [COMMAND ...]",
            "    Return a cumulative distribution of latencies in the format of a histogram for \
             the specified command names.",
            "    If no commands are specified then all histograms are replied.",
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use ringlet_protocol::reply::{ReplyBuffer, Version};

    use super::*;

    fn part(name: &str, max_ms: i64, samples: &[(i64, i64)]) -> Vec<u8> {
        let mut buffer = ReplyBuffer::new();
        let mut reply = Reply::new(&mut buffer, Version::Resp2);
        reply.array(5);
        reply.integer(100);
        reply.bulk(b"command");
        reply.bulk(name.as_bytes());
        reply.integer(max_ms);
        reply.array(samples.len() * 2);
        for (time_s, ms) in samples {
            reply.integer(*time_s);
            reply.integer(*ms);
        }
        buffer.to_vec()
    }

    #[test]
    fn samples_of_all_cores_are_merged_by_second() {
        let parts = [
            part("command", 900, &[(10, 200), (12, 300)]),
            part("command", 500, &[(9, 400), (12, 350)]),
            part("fast-command", 150, &[(11, 150)]),
        ];
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let all = all(&parts);
        assert_eq!((all.threshold_ms, all.asked.as_str(), all.events.len()), (100, "command", 2));
        let event = &all.events["command"];
        assert_eq!(event.max_ms, 900);
        assert_eq!(event.samples, [(9, 400), (10, 200), (12, 350)]);
        let text = diagnosis(&all);
        assert!(text.contains("command: slow in 3 seconds, 316 ms on average, 900 ms at worst."));
        assert_eq!(
            drawing("command", event),
            format!(
                "command - high 400 ms, low 200 ms (all time high 900 ms)\n{}\n#\n| #\n| |\n|#|\n",
                "-".repeat(GRAPH_COLUMNS)
            )
        );
    }
}
